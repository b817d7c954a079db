"""leakage: compare what sources learn from with what targets test, before anything is trained."""

import pandas as pd

from pipeline.config.params import Params
from pipeline.datasets.leakage import COLUMNS, NAMESAKE, REFUSED, Images, counts, shared
from pipeline.datasets.learnable import learnable
from pipeline.store.errors import InputError
from pipeline.store.files import read_json, read_npy, read_parquet, write_csv, write_json
from pipeline.store.outs import LeakagePaths
from pipeline.store.paths import Paths
from pipeline.store.seeds import seed_for


def used_sources(params: Params) -> list[tuple[str, str]]:
    """Pairs of a source that is pretrained here and a target that it is transferred or adapted to."""
    return [(source, target) for source, target in params.uses() if source in params.pretrained]


def comparisons(params: Params) -> list[tuple[str, str, str]]:
    """Each of these pairs with the source itself and every one that it starts from: (source, learnt_by, target)."""
    return [(source, link, target) for source, target in used_sources(params) for link in params.chain_of(source)[:-1]]


def tested_images(params: Params, paths: Paths, target: str) -> Images:
    """The images of a target, all of which are tested in some fold."""
    dataset = params.targets[target].dataset
    manifest = read_parquet(paths.dataset(dataset).manifest)
    rows = read_parquet(paths.target(target).examples)["row"]
    chosen = manifest[manifest["row"].isin(rows)].reset_index(drop=True)
    return Images(dataset, params.datasets[dataset], chosen, read_npy(paths.dataset(dataset).images))


def learnt_images(params: Params, paths: Paths, source: str) -> Images:
    """The images that one pretrained source learns from, without those of its init.

    Raises:
        InputError: there are too few of a class.
    """
    entry = params.pretrained[source]
    manifest = read_parquet(paths.dataset(entry.dataset).manifest)
    fraction = None if entry.label is None else params.run.validation_fraction  # images without labels are no problem
    try:
        rows = learnable(manifest, entry, fraction, seed_for(params.run.seed, "pretrain", source))["row"]
    except InputError as error:
        raise InputError(f"Source '{source}': {error}") from None
    chosen = manifest[manifest["row"].isin(rows)].reset_index(drop=True)
    return Images(entry.dataset, params.datasets[entry.dataset], chosen, read_npy(paths.dataset(entry.dataset).images))


def all_learnt(params: Params, paths: Paths) -> dict[str, Images]:
    """The images that every pretrained source learns from.

    Raises:
        InputError: with all sources that have too few of a class.
    """
    learnt, faults = {}, []
    for source in params.pretrained:
        try:
            learnt[source] = learnt_images(params, paths, source)
        except InputError as error:
            faults.append(str(error))
    if faults:
        raise InputError("\n".join(faults))
    return learnt


def compare(params: Params, paths: Paths) -> pd.DataFrame:
    """All that is shared: source, learnt_by (it or one of its inits), target, kind, image, other (names)."""
    found = [pd.DataFrame(columns=["source", "learnt_by", "target", *COLUMNS])]
    learnt = all_learnt(params, paths)
    compared = comparisons(params)
    tested = {target: tested_images(params, paths, target) for target in {target for _, _, target in compared}}
    for source, link, target in compared:
        pairs = shared(tested[target], learnt[link])
        found.append(pairs.assign(source=source, learnt_by=link, target=target))
    return pd.concat(found, ignore_index=True)


def check_backgrounds(params: Params, paths: Paths) -> None:
    """Refuse datasets whose transparent images were laid on different colours: copies would look like other images.

    Raises:
        InputError: with all pairs of such datasets.
    """
    pairs = {
        (params.targets[target].dataset, params.pretrained[link].dataset) for _, link, target in comparisons(params)
    }
    cards = {name: read_json(paths.dataset(name).card).get("transparency") for name in {*sum(pairs, ())}}
    behind = {name: card["background"] for name, card in cards.items() if card}
    lines = [
        f"  - '{mine}' on {behind[mine]} and '{theirs}' on {behind[theirs]}"
        for mine, theirs in sorted(pairs)
        if mine in behind and theirs in behind and behind[mine] != behind[theirs]
    ]
    if lines:
        raise InputError(
            "Transparent images of datasets lie on different colours, so that copies which they share are not found:\n"
            + "\n".join(lines)
            + "\nGive these datasets one `background`, such as gray."
        )


def refuse(found: pd.DataFrame, params: Params, paths: Paths) -> None:
    """Stop the run if a source learns from what a target tests.

    Raises:
        InputError: with the counts of every pair of source and target.
    """
    leaks = found[found["kind"].isin(REFUSED)]
    if leaks.empty:
        return
    lines = []
    for (source, target), part in leaks.groupby(["source", "target"], sort=True):
        by = " and ".join(f"'{params.pretrained[link].dataset}'" for link in dict.fromkeys(part["learnt_by"]))
        example = f"e.g. {part['image'].iloc[0]} as {part['other'].iloc[0]}"
        count = part["image"].nunique()
        lines.append(f"  - '{source}' (from {by}) and target '{target}': {count} images ({counts(part)}; {example})")
    raise InputError(
        "Sources would learn from what targets test, and the gain would be leakage, not transfer:\n"
        + "\n".join(lines)
        + "\nGive source and target disjoint `pools` of a dataset, or a `where` that separates them, or remove the "
        f"shared images from one dataset. All are listed in {paths.leakage.found}."
    )


def run(params: Params, paths: Paths, name: str) -> str:
    """Write what is shared, also what is no reason to refuse; then refuse, or let the training begin."""
    found = compare(params, paths)
    files = LeakagePaths(paths.leakage.folder)
    files.passed.unlink(missing_ok=True)
    write_csv(files.found, found)
    check_backgrounds(params, paths)
    refuse(found, params, paths)
    write_json(files.passed, {"passed": True})
    told = f"; told only: {counts(found)} ({files.found})" if len(found) else ""
    if NAMESAKE in set(found["kind"]):
        told += "; if the groups of both datasets name the same things, give both the same `group_kind`"
    return f"{len(used_sources(params))} pairs of source and target share no image{told}"
