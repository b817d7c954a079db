"""How much do groups and seed variance move the gain? Measured on the comparisons of the last run.

    python -m benchmarks.measure_effects    # some seconds, after `dvc repro`; rewrites the .md

The simulation of benchmarks/simulate_verdict.py stands or falls with its worlds being like these.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.config.loading import load_params
from pipeline.results.result import read_result
from pipeline.store.files import read_parquet
from pipeline.store.paths import Paths
from pipeline.verdict import arms as tables
from pipeline.verdict.metrics import Array
from pipeline.verdict.pairs import PairedPredictions, pair
from pipeline.verdict.resampling import bootstrap_gain

METRIC = "balanced_accuracy"
RESAMPLES = 2_000
HEAD = """# How much groups and seed variance move the gain

Written by `python -m benchmarks.measure_effects` from the predictions of the last run: every arm against its baseline,
every baseline against its repeat. `discordant`: images that one arm alone is right about. `ICC`: intraclass correlation
within groups (one-way analysis of variance) of being right, mean of both arms, and of the difference between the arms.
`folds`: the gain in balanced accuracy inside each fold. `spread of folds`: its standard deviation; `by groups`: how
much of that resampling the groups explains. `ratio`: of the two variances, S2 / W in
pipeline/verdict/seed_variance.py; about 1 without seed variance.
"""


def read_pairs(paths: Paths, question: str, arm: str, against: str) -> PairedPredictions:
    """Two arms of a question on the target's tested images."""
    table = read_parquet(paths.question(question).predictions)
    one, other = (table[table["arm"] == name] for name in (arm, against))
    tested = tables.tested_images(one)
    probabilities = (side[[f"p_{name}" for name in tested.classes]].to_numpy() for side in (one, other))
    return pair(tested.labels, *probabilities, tested.fold, tested.group, tested.weights)


def comparisons() -> list[tuple[str, PairedPredictions]]:
    """Every arm of every question of params.yaml over the arm that it is compared with."""
    paths = Paths(Path())
    found = []
    for name in load_params(paths.params).questions:
        result = read_result(paths.question(name).result)
        arms = [arm for arm in result.arms if arm != result.against]
        found += [(f"{name}, {arm}", read_pairs(paths, name, arm, result.against)) for arm in arms]
    return found


def intraclass_correlation(values: Array, group: Array) -> float:
    """ICC(1) of unequal groups: (MSB - MSW) / (MSB + (n0 - 1) MSW) (Donner 1986)."""
    table = pd.DataFrame({"value": values, "group": group}).groupby("group")["value"]
    sizes, means = table.size().to_numpy(), table.mean().to_numpy()
    n, k = sizes.sum(), len(sizes)
    between = float((sizes * (means - values.mean()) ** 2).sum() / (k - 1))
    within = float(((values - table.transform("mean").to_numpy()) ** 2).sum() / (n - k))
    typical = (n - (sizes**2).sum() / n) / (k - 1)
    return (between - within) / (between + (typical - 1) * within)


def row(name: str, pairs: PairedPredictions) -> list[str]:
    """The row of one comparison, as cells."""
    right = [(arm.argmax(1) == pairs.labels).astype(float) for arm in pairs.arms()]
    found = bootstrap_gain(pairs, METRIC, seed=0, resamples=RESAMPLES)
    return [
        name,
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
    rows = [row(*comparison) for comparison in comparisons()]
    lines = ["| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows)]
    text = "\n".join([HEAD, *lines]) + "\n"
    print(text)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
