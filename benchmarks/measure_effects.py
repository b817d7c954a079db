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
from pipeline.verdict.metrics import Array
from pipeline.verdict.pairs import PairedPredictions, UndefinedGain, pair
from pipeline.verdict.t_test import estimate
from pipeline.verdict.trainings import gains

METRIC = "balanced_accuracy"
HEAD = """# How much groups and seed variance move the gain

Written by `python -m benchmarks.measure_effects` from the predictions of the last run: every arm against its baseline,
every baseline against its repeat. `discordant`: images that one arm alone is right about. `ICC`: intraclass correlation
within groups (one-way analysis of variance) of being right, mean of both arms, and of the difference between the arms.
`repeats`: the gain in balanced accuracy of each repeat. Then its standard error, and square roots of the components of
its variance (pipeline/verdict/t_test.py): `seed` of one training (0 where negative), `redrawn` of one repeat, and
`lasting`. One repeat has no components.
"""


def read_pairs(paths: Paths, question: str, arm: str, against: str) -> PairedPredictions:
    """Two arms of a question on the target's tested images; trainings are numbered through, repeat after repeat."""
    table = read_parquet(paths.question(question).predictions)
    one, other = (
        table[table["arm"] == name].sort_values(["fold", "image_id"], ignore_index=True) for name in (arm, against)
    )
    classes = sorted(one["label"].unique())
    labels = pd.Categorical(one["label"], categories=classes).codes.astype("int64")
    chances = [side[[f"p_{name}" for name in classes]].to_numpy() for side in (one, other)]
    repeat = one.groupby("image_id").cumcount().to_numpy()
    columns = (one[name].to_numpy() for name in ("fold", "group"))
    return pair(labels, *chances, *columns, repeat, one["weight"].to_numpy())


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
    trainings = gains(pairs, METRIC)
    by_repeat = np.bincount(trainings.repeat, trainings.shares * trainings.values)
    cells = [
        name,
        f"{len(np.unique(pairs.repeat))} x {len(np.unique(pairs.fold)) // len(np.unique(pairs.repeat))}",
        f"{len(pairs.labels) // len(np.unique(pairs.repeat)):,}",
        str(len(np.unique(pairs.group))),
        f"{np.mean(right[0] != right[1]):.0%}",
        f"{intraclass_correlation((right[0] + right[1]) / 2, pairs.group):.2f}",
        f"{intraclass_correlation(right[0] - right[1], pairs.group):.2f}",
        " ".join(f"{gain:+.3f}" for gain in by_repeat),
    ]
    try:
        found = estimate(trainings)
    except UndefinedGain:
        return [*cells, "", "", "", ""]
    parts = found.components
    variances = [parts.seed_variance, parts.redrawn_variance, parts.lasting_variance] if parts else []
    roots = [f"{max(0.0, variance) ** 0.5:.3f}" for variance in variances] or ["", "", ""]
    return [*cells, f"{found.standard_error:.3f}", *roots]


def main() -> None:
    """Write measure_effects.md beside this file."""
    heads = ["comparison", "R x K", "images", "groups", "discordant", "ICC right", "ICC difference", "repeats"]
    heads += ["s.e.", "seed", "redrawn", "lasting"]
    rows = [row(*comparison) for comparison in comparisons()]
    lines = ["| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows)]
    text = "\n".join([HEAD, *lines]) + "\n"
    print(text)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
