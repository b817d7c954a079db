"""split: choose a target's images and divide them into folds, so that what belongs together stays together."""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from pipeline.frame.errors import InputError
from pipeline.frame.io import check_sealed, read_parquet, replacing_folder, sha256_file, write_json, write_parquet
from pipeline.frame.params import Params, Target
from pipeline.frame.paths import Paths, SplitPaths
from pipeline.frame.seeds import seed_for

TRACKS = ("run.seed", "run.folds", "run.protocol", "run.validation_fraction", "targets.{name}")


def select(manifest: pd.DataFrame, target: Target) -> pd.DataFrame:
    """The target's images: row, image_id, label (str), weight (float64), group (str), cluster (int).

    Raises:
        InputError: `where` leaves nothing, or a weight is outside (0, 1].
    """
    columns = list(target.where)
    chosen = (manifest[columns] == pd.Series(target.where, index=columns, dtype=object)).all(axis=1)
    table = manifest[chosen].reset_index(drop=True)
    if table.empty:
        raise InputError(f"No image of dataset '{target.dataset}' has {target.where}. Change `where` of the target.")
    weight = table[target.weight] if target.weight else pd.Series(1.0, index=table.index)
    outside = ~weight.between(0, 1, inclusive="right")
    if outside.any():
        where = table["image_id"][outside].iloc[0]
        raise InputError(
            f"Weights of column '{target.weight}' must lie in (0, 1]; {outside.sum()} do not, first that of "
            f"image {where}: {weight[outside].iloc[0]}. Correct the table that the dataset is read from."
        )
    return table[["row", "image_id", "group", "cluster"]].assign(label=table[target.label], weight=weight)


def units(examples: pd.DataFrame, protocol: str) -> np.ndarray:
    """What must not be divided, as integers (n,): near-duplicates always, groups too where the protocol is grouped.

    Two images belong to one unit when a chain of shared clusters and groups joins them.
    """
    cluster = pd.factorize(examples["cluster"])[0]
    if protocol == "random":
        return cluster
    group = pd.factorize(examples["group"])[0] + cluster.max() + 1
    size = group.max() + 1
    joined = coo_array((np.ones(len(examples)), (cluster, group)), shape=(size, size))
    return pd.factorize(connected_components(joined, directed=False)[1][cluster])[0]


def assign_folds(labels: np.ndarray, unit: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Stratified folds (n,) of 0..folds-1 that keep units whole.

    Raises:
        InputError: one class only, or a class or the units are fewer than the folds.
    """
    counts = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    shown = ", ".join(f"{name}: {count}" for name, count in counts.items())
    if len(counts) < 2:
        raise InputError(f"A target needs at least two classes, received one ({shown}).")
    if min(counts.values()) < folds or len(np.unique(unit)) < folds:
        raise InputError(
            f"{folds} folds need at least {folds} images of every class and {folds} groups; received {shown} "
            f"in {len(np.unique(unit))} groups. Lower `run.folds`, or add images."
        )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    result = np.empty(len(labels), int)
    for fold, (_, test) in enumerate(splitter.split(labels, labels, unit)):
        result[test] = fold
    return result


def roles(examples: pd.DataFrame, unit: np.ndarray, fold: int, validation_fraction: float, seed: int) -> np.ndarray:
    """train, validation or test for every example (n,) in one fold; validation is cut out of the training folds.

    Raises:
        InputError: a part lacks a class.
    """
    labels = examples["label"].to_numpy()
    result = np.where(examples["fold"] == fold, "test", "train").astype(object)
    training = np.flatnonzero(result == "train")
    _refuse_absent_class(labels, result, fold)
    try:
        parts = assign_folds(labels[training], unit[training], max(2, round(1 / validation_fraction)), seed)
    except InputError as error:
        raise InputError(
            f"Fold {fold} cannot give {validation_fraction:g} of its training images to validation: {error} "
            "Or raise `run.validation_fraction`."
        ) from None
    result[training[parts == 0]] = "validation"
    _refuse_absent_class(labels, result, fold)
    return result


def _refuse_absent_class(labels: np.ndarray, roles: np.ndarray, fold: int) -> None:
    for role in np.unique(roles):
        absent = sorted(set(labels) - set(labels[roles == role]))
        if absent:
            raise InputError(
                f"Fold {fold} has no image of class {', '.join(absent)} in its {role} part: the class lies in too few "
                "groups. Lower `run.folds`, raise `run.validation_fraction`, or use `run.protocol: random`."
            )


def split(manifest: pd.DataFrame, target: Target, params: Params, name: str) -> pd.DataFrame:
    """The table of a target's examples, in the manifest's order."""
    run = params.run
    examples = select(manifest, target)
    unit = units(examples, run.protocol)
    # what the bootstrap resamples as a whole, also where folds divide it: neighbours are alike under any protocol
    examples["group"] = np.char.add("u", units(examples, "grouped").astype(str))
    examples["fold"] = assign_folds(examples["label"].to_numpy(), unit, run.folds, seed_for(run.seed, "split", name))
    for fold in range(run.folds):
        seed = seed_for(run.seed, "validation", name, fold)
        examples[f"role_{fold}"] = roles(examples, unit, fold, run.validation_fraction, seed)
    return examples.drop(columns="cluster")


def run(params: Params, paths: Paths, name: str) -> str:
    """Read the manifest, write the target's examples and which images they are of."""
    target = params.targets[name]
    dataset = paths.dataset(target.dataset)
    check_sealed(dataset.folder)
    examples = split(read_parquet(dataset.manifest), target, params, name)
    with replacing_folder(paths.target(name).folder) as folder:
        written = SplitPaths(folder)
        write_parquet(written.examples, examples)
        write_json(written.images, {"dataset": target.dataset, "sha256": sha256_file(dataset.images)})
    counts = ", ".join(f"{label} {count}" for label, count in examples["label"].value_counts().sort_index().items())
    return f"{len(examples):,} images ({counts}), {params.run.folds} {params.run.protocol} folds"
