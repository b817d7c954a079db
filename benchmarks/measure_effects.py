"""How much do groups and the luck of training move the gain? Measured on the comparisons of the last run.

    python -m benchmarks.measure_effects    # some seconds, after `dvc repro`; rewrites the .md

The simulation of benchmarks/simulate_verdict.py stands or falls with its worlds being like these.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.config.loading import load_params
from pipeline.store.files import read_parquet
from pipeline.store.outs import ArmPaths
from pipeline.store.paths import Paths
from pipeline.verdict import arms as tables
from pipeline.verdict.metrics import Array
from pipeline.verdict.pairs import PairedPredictions, pair
from pipeline.verdict.resampling import bootstrap_gain

METRIC = "balanced_accuracy"
RESAMPLES = 2_000
HEAD = """# How much groups and luck move the gain

Written by `python -m benchmarks.measure_effects` from the predictions of the last run: every arm against its baseline,
every baseline against its repeat. `discordant`: images that one arm alone is right about. `ICC`: intraclass correlation
within groups (one-way analysis of variance) of being right, mean of both arms, and of the difference between the arms.
`folds`: the gain in balanced accuracy inside each fold. `spread of folds`: its standard deviation; `by groups`: how
much of that resampling the groups explains. `ratio`: of the two variances, S2 / W in pipeline/verdict/luck.py; 1
is what to expect where training has no luck.
"""


@dataclass(frozen=True)
class Comparison:
    """An arm against another on a target; each named by its stage and its cell."""

    name: str
    target: str
    one: tuple[str, str]
    other: tuple[str, str]


def comparisons() -> list[Comparison]:
    """All that params.yaml names."""
    params = load_params(Paths(Path()).params)
    found = []
    for name, transfer in params.transfers.items():
        stages = ["head", "tune"] if transfer.unfreeze != 0 else ["head"]
        scratch = ("scratch", transfer.baseline)
        found += [Comparison(f"{name}, {stage}", transfer.target, (stage, name), scratch) for stage in stages]
    return found + [
        Comparison(name, null.target, ("scratch", null.again), ("scratch", null.baseline))
        for name, null in params.nulls.items()
    ]


def read_pairs(comparison: Comparison) -> PairedPredictions:
    """Both arms on the target's tested images."""
    paths = Paths(Path())
    examples = read_parquet(paths.target(comparison.target).examples)
    tested = tables.tested_images(examples)
    one, other = (
        tables.aligned(read_parquet(ArmPaths(paths.arm(*arm).folder).predictions), examples, tested.classes)
        for arm in (comparison.one, comparison.other)
    )
    return pair(tested.labels, one, other, tested.fold, tested.group, tested.weights)


def intraclass_correlation(values: Array, group: Array) -> float:
    """ICC(1) of unequal groups: (MSB - MSW) / (MSB + (n0 - 1) MSW) (Donner 1986)."""
    table = pd.DataFrame({"value": values, "group": group}).groupby("group")["value"]
    sizes, means = table.size().to_numpy(), table.mean().to_numpy()
    n, k = sizes.sum(), len(sizes)
    between = float((sizes * (means - values.mean()) ** 2).sum() / (k - 1))
    within = float(((values - table.transform("mean").to_numpy()) ** 2).sum() / (n - k))
    typical = (n - (sizes**2).sum() / n) / (k - 1)
    return (between - within) / (between + (typical - 1) * within)


def row(comparison: Comparison) -> list[str]:
    """What one comparison shows, as cells."""
    pairs = read_pairs(comparison)
    right = [(arm.argmax(1) == pairs.labels).astype(float) for arm in pairs.arms()]
    found = bootstrap_gain(pairs, METRIC, seed=0, resamples=RESAMPLES)
    return [
        comparison.name,
        f"{len(pairs.labels):,}",
        str(len(np.unique(pairs.group))),
        f"{np.mean(right[0] != right[1]):.0%}",
        f"{intraclass_correlation((right[0] + right[1]) / 2, pairs.group):.2f}",
        f"{intraclass_correlation(right[0] - right[1], pairs.group):.2f}",
        " ".join(f"{gain:+.3f}" for gain in found.fold_gains if gain is not None),
        f"{found.spread.between**0.5:.3f}",
        f"{found.spread.within**0.5:.3f}",
        f"{found.spread.ratio:.2f}",
    ]


def main() -> None:
    """Write measure_effects.md beside this file."""
    heads = ["comparison", "images", "groups", "discordant", "ICC right", "ICC difference", "folds"]
    heads += ["spread of folds", "by groups", "ratio"]
    rows = [row(comparison) for comparison in comparisons()]
    lines = ["| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows)]
    text = "\n".join([HEAD, *lines]) + "\n"
    print(text)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
