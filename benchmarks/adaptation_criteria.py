"""Which criterion chooses well among adaptations, without a label of the target? Told with the target's labels.

    python -m benchmarks.adaptation_criteria [WORKSPACE]    # about 12 minutes on two cores; rewrites the .md

WORKSPACE is a folder with a finished run of the default params (here, if none is given): its dataset and its untrained
sources are read, everything else is made anew in a temporary folder by the pipeline's own stages. The labels of the
target are looked at AFTER every choice, to judge the criteria; none of what is compared has seen them.
"""

import argparse
import os
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score

from pipeline.adaptation.choice import adapt_all
from pipeline.adaptation.criteria import Criterion, Trial, pseudo_labelled
from pipeline.adaptation.linear import fit_linear
from pipeline.adaptation.problem import Adapted, Images, Labelled
from pipeline.config.loading import check_params
from pipeline.config.params import Params
from pipeline.registry.criteria import CRITERIA
from pipeline.stages import adapt, pretrain, split
from pipeline.store.files import read_parquet
from pipeline.store.paths import Paths
from pipeline.store.places import Loaded
from pipeline.store.seeds import seed_for
from pipeline.store.yaml import read_yaml
from pipeline.training.batches import pixel_loader
from pipeline.training.folds import fold_parts, images_of
from pipeline.training.pooled import pooled_features

INITS = {"resnet8": "random", "lite0": "imagenet"}  # a ResNet-8 from random weights, EfficientNet-Lite0 from ImageNet's
DIRECTIONS: dict[
    str, tuple[dict[str, Any], dict[str, Any]]
] = {  # what the source learns `defect` from, and what it is adapted to
    "mono to poly": ({"where": {"type": "mono"}}, {"where": {"type": "poly"}}),
    "poly to mono": ({"where": {"type": "poly"}}, {"where": {"type": "mono"}}),
    "pool to pool": ({"pool": "source"}, {"pool": "target"}),
}
SEEDS = (("resnet8", 7), ("lite0", 7))  # of folds, sources and adaptations; with `--rows`, added ones are run alone


class World(NamedTuple):
    """One source and one target."""

    direction: str
    network: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.direction.replace(' ', '-')}-{self.network}"


WORLDS = [World(direction, network, seed) for network, seed in SEEDS for direction in DIRECTIONS]


def params_of(world: World, raw: dict[str, Any]) -> Params:
    """The default params with this source and target beside what they have."""
    taught, asked = DIRECTIONS[world.direction]
    common, raw = {"dataset": "elpv", "label": "defect"}, deepcopy(raw)
    raw["run"]["seed"] = world.seed
    raw["pretrained"][world.name] = {"pretrain": "supervised", "init": INITS[world.network], **common, **taught}
    raw["targets"][world.name] = common | asked
    raw["adaptations"][world.name] = {"source": world.name, "target": world.name}
    return check_params(raw)


def reverse_in_source_features(trial: Trial) -> float:
    """Reverse validation in the source's own features: only the candidate's answers count, not its space."""
    answers = trial.adapted.predict

    def spaceless(part: Images) -> np.ndarray:
        return np.hstack([part.features, answers(part)])

    width = trial.train.features.shape[1]
    plain = Adapted(spaceless, lambda own: own, lambda both: both[:, width:], 0.0)
    stripped = Trial(trial.source, plain, trial.train, trial.validation)
    train, held_out = pseudo_labelled(stripped, trial.train), trial.source.validation
    if len(np.unique(train.labels)) == 1:
        return 1 / trial.source.classes
    train = Labelled(train.features[:, :width], train.labels, train.weights)
    found = fit_linear(train, train).predict(held_out.features).argmax(1)
    return float(np.average(found == held_out.labels, weights=held_out.weights))


def reverse_likelihood(trial: Trial) -> float:
    """Reverse validation by the log-likelihood of the source's labels instead of by the accuracy."""
    train, validation = (pseudo_labelled(trial, images) for images in (trial.train, trial.validation))
    if len(np.unique(train.labels)) < trial.source.classes:
        return -np.log(trial.source.classes) - 1
    head = fit_linear(train, validation)
    held_out = trial.source.validation
    answers = head.predict(trial.adapted.source_features(held_out.features))
    given = answers[np.arange(len(answers)), held_out.labels]
    return float(np.average(np.log(given + 1e-12), weights=held_out.weights))


def density_ratio(trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """How much more likely the source's validation images (n,) are in the target, by a linear probe of the domain."""
    space = trial.adapted.source_features
    parts = []
    for own, other in ((trial.source.train, trial.train), (trial.source.validation, trial.validation)):
        mine, theirs = space(own.features), trial.adapted.features(other)
        domain = np.repeat([0, 1], [len(mine), len(theirs)])
        weights = np.repeat([1 / len(mine), 1 / len(theirs)], [len(mine), len(theirs)])
        parts.append(Labelled(np.concatenate([mine, theirs]), domain, weights / weights.mean()))
    inside = space(trial.source.validation.features)
    target = fit_linear(*parts).predict(inside)[:, 1]
    return target / (1 - target + 1e-12), inside


def weighted_source_risk(trial: Trial) -> float:
    """Minus the importance-weighted error on the source's validation part (IWCV, Sugiyama et al., JMLR 2007)."""
    ratio, inside = density_ratio(trial)
    held_out = trial.source.validation
    wrong = trial.adapted.head(inside).argmax(1) != held_out.labels
    return -float(np.average(wrong, weights=ratio * held_out.weights))


def deep_embedded_validation(trial: Trial) -> float:
    """Minus the same risk with the weights as a control variate (DEV, You et al., ICML 2019)."""
    ratio, inside = density_ratio(trial)
    held_out = trial.source.validation
    loss = ratio * (trial.adapted.head(inside).argmax(1) != held_out.labels) * held_out.weights
    slope = -np.cov(loss, ratio)[0, 1] / max(ratio.var(ddof=1), 1e-12)
    return -float(loss.mean() + slope * (ratio.mean() - 1))


OTHERS: dict[str, Criterion] = {
    "reverse, source features": reverse_in_source_features,
    "reverse, likelihood": reverse_likelihood,
    "iwcv": weighted_source_risk,
    "dev": deep_embedded_validation,
}


def borrow(workspace: Paths, paths: Paths) -> None:
    """Link a run's dataset and its untrained sources into another folder."""
    pairs = [(workspace.dataset("elpv").folder, paths.dataset("elpv").folder)]
    pairs += [(workspace.source(name).folder, paths.source(name).folder) for name in INITS.values()]
    for there, here in pairs:
        here.parent.mkdir(parents=True, exist_ok=True)
        here.symlink_to(there)


def rows_of(world: World, workspace: Path, raw: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a fold and candidate: every criterion, and the balanced accuracy on test images."""
    params = params_of(world, raw)
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(Path(folder))
        borrow(Paths(workspace.resolve()), paths)
        split.run(params, paths, world.name)
        pretrain.run(params, paths, world.name)
        source = adapt.read_source(paths, world.name, params.run.class_weight)
        examples = read_parquet(paths.target(world.name).examples)
        load = pixel_loader(images_of(paths, world.name), examples["row"].to_numpy(), "none")
        places = np.arange(len(examples))
        images = Images(pooled_features(source.network, load, places), load, places)
        folds = [adapt.unlabelled_parts(images, examples[f"role_{fold}"]) for fold in range(params.run.folds)]

        def seed(fold: int, method: str) -> int:
            return seed_for(params.run.seed, "adapt", world.name, fold, method)

        rows = []
        for fold, candidates in enumerate(adapt_all(source, folds, params.adapt, seed, lambda: None)):
            truth = fold_parts(examples, fold, params.run.class_weight).test.labels
            for method, _, adapted in candidates:
                trial = Trial(source, adapted, folds[fold].train, folds[fold].validation)
                told = balanced_accuracy_score(truth, adapted.predict(folds[fold].test).argmax(1))
                values = {name: judge(trial) for name, judge in {**Loaded(CRITERIA), **OTHERS}.items()}
                rows.append({**world._asdict(), "fold": fold, "method": method, "told": told, **values})
    return rows


CONCLUSION = """
- No criterion is reliable: the best leave nearly half of what the best candidate would gain, the standard errors are
  wide (one seed), and on EfficientNet-Lite0 from mono to poly half of them choose worse than the unadapted source.
- `reverse validation` and its variant by likelihood gain most, `information` less, `entropy` nothing. `information`
  takes MCC in 11 folds of 18, though MCC gains next to nothing: the two ask for nearly the same. Reverse
  validation asks for what no method trains on.
- It is not proof against it all: on the default run's own source, the same recipe trained another time, it chose MCC in
  two folds and AdaBN in one, .554 where the unadapted source has .598 (`information`: MCC in all three, .546).
- CORAL in closed form, taken always, gains more than any choice and loses in one fold of 18. Nothing without labels
  says so beforehand: its answers are unsure, and the criteria that want sure ones rank it last.
"""
HEAD = """# Choosing an adaptation without labels

Written by `python -m benchmarks.adaptation_criteria`, which also says what is run. Balanced accuracy on the target's
test images, means over folds and seeds: of the unadapted source, of what each criterion chose, of the best candidate of
every fold, and of each method as if it were always taken. **The target's labels are looked at here after every choice,
to judge the criteria; no criterion and no method has seen one.** `wins` counts the folds in which the choice was better
than the unadapted source, with those in which it was worse behind it (the others chose the source itself or were
equal); `gain` is the mean over sources and targets of its difference from the unadapted source, with standard error.
"""


def choices(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a world and fold: balanced accuracy of each way to choose."""
    keys = ["direction", "network", "seed", "fold"]
    groups = rows.groupby(keys)
    told = {"unadapted source": rows[rows["method"] == "source_only"].set_index(keys)["told"]}
    for name in (*CRITERIA, *OTHERS):
        told[name] = rows.loc[groups[name].idxmax()].set_index(keys)["told"]
    told["best candidate (needs labels)"] = groups["told"].max()
    for method in rows["method"].unique()[1:]:
        told[f"always {method}"] = rows[rows["method"] == method].set_index(keys)["told"]
    return pd.DataFrame(told)


def table(rows: pd.DataFrame) -> list[str]:
    """The Markdown lines: a line a way to choose, a column a direction and network."""
    told = choices(rows)
    means = told.groupby(["direction", "network"], sort=False).mean()
    worlds = told.groupby(["direction", "network", "seed"], sort=False).mean()
    heads = ["chosen by", *(", ".join(world) for world in means.index.to_list()), "all", "gain", "wins"]
    lines = [f"| {' | '.join(heads)} |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    for name in told.columns.to_list():
        gains = worlds[name] - worlds["unadapted source"]
        fold_gains = told[name] - told["unadapted source"]
        gain = f"{gains.mean():+.3f} ± {gains.std(ddof=1) / len(gains) ** 0.5:.3f}"
        wins = f"{(fold_gains > 0).sum()} : {(fold_gains < 0).sum()}"
        cells = [*(f"{value:.3f}" for value in means[name]), f"{worlds[name].mean():.3f}", gain, wins]
        lines.append(f"| {' | '.join([name.replace('_', ' '), *cells])} |")
    seeds = rows.groupby(["direction", "network"], sort=False)["seed"].nunique()
    counted = ", ".join(f"{' '.join(world)} {count}" for world, count in zip(seeds.index.to_list(), seeds, strict=True))
    return [*lines, "", f"Seeds: {counted}; {len(told)} choices in all, of {rows['method'].nunique()} candidates each."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", nargs="?", type=Path, default=Path())
    parser.add_argument("--rows", type=Path, help="a CSV to keep what is done in; a second call goes on from there")
    options = parser.parse_args()
    raw = read_yaml(Path(__file__).parents[1] / "params.yaml")
    rows: list[Any] = pd.read_csv(options.rows).to_dict("records") if options.rows and options.rows.exists() else []
    done = {(row["direction"], row["network"], row["seed"]) for row in rows}
    for world in WORLDS:
        if world not in done:
            rows += rows_of(world, options.workspace, raw)
            if options.rows:
                pd.DataFrame(rows).to_csv(options.rows, index=False)
        print(world, flush=True)
    lines = [HEAD, *table(pd.DataFrame(rows)), CONCLUSION]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
