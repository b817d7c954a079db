"""What the baseline's quality cost: by training from scratch, and by the transfer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from pipeline.verdict.arms import Tested
from pipeline.verdict.metrics import METRICS, Array
from pipeline.verdict.pairs import ROUNDING
from pipeline.verdict.spending import SCRATCH, Arm, fold_budgets


@dataclass(frozen=True)
class Checkpoint:
    """What one fold could hand in: GFLOPs that the fold had spent by then, positions of its tested images (m,) int64,
    and what it said of them (m, k) float64.
    """

    fold: int
    gflops: float
    positions: Array
    probabilities: Array


def cost_to_equal_quality(
    tested: Tested, examples: pd.DataFrame, arms: Mapping[str, Arm], extract: Mapping[str, Any], metric: str
) -> dict[str, Any]:
    """What it cost to reach, for the first time, the metric that the scratch arm ended with.

    Every arm left what it predicts of the tested images at each epoch that was the best so far on validation. All folds
    are given the same budget of GFLOPs, and the budget rises from 0: at each, every fold hands in its latest such epoch
    within it, and the metric is taken over all tested images at once, as the verdict takes it. The first budget at
    which it is no lower than scratch's final metric counts, and its cost is the sum over folds of what the epochs
    handed in had cost. The transfer's budget goes to its share of the extraction, then to the head, then to tuning;
    scratch is measured in the same way, so that an arm against itself has ratio 1.

    Only chosen settings count: sweeps are told apart. Nothing is chosen on tested images here: the networks judged are
    those that validation chose, and this only measures when, on their way, they were good enough.

    Args:
        tested, examples: the target's tested images, in the same order.
        arms: of the transfer in the order in which they spend, and `scratch`.
        extract: what the extraction cost, `gflops`, an equal share a fold.
        metric: a key of METRICS; higher is better.

    Returns:
        `gflops` of the transfer and `scratch_gflops`, summed over folds; `ratio` of the two; `reached`; `reason`.
        Where the transfer never got there, `reached` is false, `gflops` is all that it spent, and `ratio` is a lower
        bound. `ratio` is None, with a reason, where the untrained scratch network was already as good. All are None,
        with a reason, where the metric is undefined.
    """
    transferred = {name: arm for name, arm in arms.items() if name != SCRATCH}
    quality = METRICS[metric](tested.labels, arms[SCRATCH].probabilities, tested.weights)
    if quality is None:
        return _undefined(f"{metric} of {SCRATCH} is undefined")
    position = pd.Series(np.arange(len(examples)), index=examples["image_id"])
    scratch = _checkpoints({SCRATCH: arms[SCRATCH]}, {}, position, tested.classes)
    steps = _checkpoints(transferred, extract, position, tested.classes)
    needed = gflops_to_reach(quality, scratch, tested, metric)
    spent = gflops_to_reach(quality, steps, tested, metric)
    if needed is None:
        raise ValueError("the trajectory of scratch does not end with its predictions")
    gflops = sum(fold_budgets(extract, transferred).values()) if spent is None else spent
    return {
        "gflops": gflops,
        "scratch_gflops": needed,
        "ratio": gflops / needed if needed > 0 else None,
        "reached": spent is not None,
        "reason": None if needed > 0 else f"{SCRATCH} ended no better in {metric} than it was before training",
    }


def gflops_to_reach(quality: float, steps: Sequence[Checkpoint], tested: Tested, metric: str) -> float | None:
    """The smallest cost, summed over folds, at which what the folds hand in reaches a quality; None if they never do.

    Args:
        quality: a value of the metric, higher is better.
        steps: checkpoints of all folds, in any order; folds without one within the budget hand in nothing yet, and
            nothing is measured until all do.
    """
    folds = set(np.unique(tested.fold).tolist())
    handed_in: dict[int, Checkpoint] = {}
    probabilities = np.zeros((len(tested.labels), len(tested.classes)))
    for _, reached in groupby(sorted(steps, key=lambda step: step.gflops), key=lambda step: step.gflops):
        for step in reached:
            handed_in[step.fold] = step
            probabilities[step.positions] = step.probabilities
        if set(handed_in) != folds:
            continue
        value = METRICS[metric](tested.labels, probabilities, tested.weights)
        if value is not None and value >= quality - ROUNDING:
            return float(sum(step.gflops for step in handed_in.values()))
    return None


def _undefined(reason: str) -> dict[str, Any]:
    return {**dict.fromkeys(("gflops", "scratch_gflops", "ratio", "reached")), "reason": reason}


def _checkpoints(
    arms: Mapping[str, Arm], extract: Mapping[str, Any], position: "pd.Series[int]", classes: Sequence[str]
) -> list[Checkpoint]:
    """The checkpoints of arms that spend one after the other; each begins when all that came before it was paid."""
    columns, found = [f"p_{name}" for name in classes], []
    before = dict.fromkeys((fold["fold"] for arm in arms.values() for fold in arm.cost["folds"]), 0.0)
    before = {fold: extract.get("gflops", 0.0) / len(before) for fold in before}
    for arm in arms.values():
        for _, table in arm.trajectory.groupby(["fold", "epoch"], sort=True):
            fold = int(table["fold"].iloc[0])
            probabilities = table[columns].to_numpy("float64")
            probabilities = probabilities / probabilities.sum(1, keepdims=True)
            gflops = before[fold] + float(table["gflops"].iloc[0])
            found.append(Checkpoint(fold, gflops, position[table["image_id"]].to_numpy(), probabilities))
        before = {fold["fold"]: before[fold["fold"]] + fold["gflops_chosen"] for fold in arm.cost["folds"]}
    return found
