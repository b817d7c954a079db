"""Quality against compute: the metric of the arms at each budget, and the cost to match the baseline."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import Any

import numpy as np
import pandas as pd

from pipeline.store.probabilities import normalised
from pipeline.verdict.arms import Tested
from pipeline.verdict.metrics import METRICS, Array
from pipeline.verdict.pairs import ROUNDING
from pipeline.verdict.spending import Arm, before_gflops, fold_budgets

CURVE = ["arm", "gflops", "value", "low", "high"]


@dataclass(frozen=True)
class Checkpoint:
    """Predictions of one fold's network at one epoch.

    gflops: spent on the fold by then. positions: (m,) int64, of its test images; probabilities: (m, k) float64 of them.
    """

    arm: str
    fold: int
    gflops: float
    positions: Array
    probabilities: Array


def saving_curve(
    tested: Tested, examples: pd.DataFrame, arms: Mapping[str, Arm], against: Mapping[str, Arm], metric: str
) -> pd.DataFrame:
    """The out-of-fold quality of the arms for every compute budget.

    Every arm has predictions at each epoch that was the best so far on validation. All folds get the same budget of
    GFLOPs, which rises from 0. At each budget every fold uses its latest such epoch within it, and the metric is taken
    over all test images at once, as in the verdict. The transfer's budget goes to its share of the extraction, then to
    the head, then to tuning. Sweeps are not counted. Nothing is chosen on test images: validation chose the networks.

    The curve is a step function. A row is added whenever a fold's epoch changes, once all folds have one, and every arm
    has a last row at its total cost. A row belongs to the earlier arm until all folds have reached the next one.

    Args:
        tested, examples: the target's test images, in the same order.
        arms: of the transfer, in the order of training. against: the reference arm. metric: a key of METRICS.

    Returns:
        arm; gflops, summed over folds; value, the metric over all test images at once; low and high, of the worst and
        the best fold, nan where the metric is defined in none. No rows where it is undefined over all images.
    """
    position, rows = pd.Series(np.arange(len(examples)), index=examples["image_id"]), []
    for chain in (arms, against):
        steps = _checkpoints(chain, position, tested.classes)
        states = [
            {
                "arm": next(name for name in chain if any(step.arm == name for step in current)),
                "gflops": sum(step.gflops for step in current),
                **quality,
            }
            for current, probabilities in _over_budgets(steps, tested)
            if (quality := _quality(tested, probabilities, metric))
        ]
        rows += _to_the_end(states, sum(fold_budgets(chain).values()))
    return pd.DataFrame(rows, columns=CURVE)


def cost_to_equal_quality(
    curve: pd.DataFrame, quality: float | None, metric: str, against: str = "scratch"
) -> dict[str, Any]:
    """The compute at which the arms first match the final quality of the reference arm.

    Both costs are read from the curve as the first budget of sufficient quality, so an arm against itself has ratio 1.

    Args:
        curve: from `saving_curve`. quality: the reference's metric, higher is better; None: undefined.
        against: the name of the reference arm (`scratch` in what follows).

    Returns:
        `gflops` of the transfer and `scratch_gflops`, summed over folds; `ratio` of the two; `reached`; `reason`.
        If the transfer never matched, `reached` is false, `gflops` is all that it spent, and `ratio` is a lower bound.
        `ratio` is None, with a reason, where the untrained scratch network was already as good. All are None, with a
        reason, where the metric is undefined.
    """
    if quality is None:
        undefined = dict.fromkeys(("gflops", "scratch_gflops", "ratio", "reached"))
        return {**undefined, "reason": f"{metric} of {against} is undefined"}
    reference = curve["arm"] == against
    good = curve["value"] >= quality - ROUNDING
    if not (reference & good).any():
        raise ValueError("the trajectory of scratch does not end with its predictions")
    needed = float(curve["gflops"][reference & good].iloc[0])
    reached = curve["gflops"][~reference & good]
    gflops = float(reached.iloc[0] if len(reached) else curve["gflops"][~reference].iloc[-1])
    return {
        "gflops": gflops,
        "scratch_gflops": needed,
        "ratio": gflops / needed if needed > 0 else None,
        "reached": len(reached) > 0,
        "reason": None if needed > 0 else f"{against} ended no better in {metric} than it was before training",
    }


def _quality(tested: Tested, probabilities: Array, metric: str) -> dict[str, float]:
    """The metric over all images, and in the worst and the best fold; nothing where the first is undefined."""
    value = METRICS[metric](tested.labels, probabilities, tested.weights)
    if value is None:
        return {}
    parts = [tested.fold == fold for fold in np.unique(tested.fold)]
    within = [METRICS[metric](tested.labels[p], probabilities[p], tested.weights[p]) for p in parts]
    known = [quality for quality in within if quality is not None] or [np.nan]
    return {"value": value, "low": min(known), "high": max(known)}


def _to_the_end(states: list[dict[str, Any]], end: float) -> list[dict[str, Any]]:
    """Add a last row to each of successive arms: where the next begins, or at the total cost."""
    rows = []
    for row, following in zip_longest(states, states[1:]):
        rows.append(row)
        if following is None or following["arm"] != row["arm"]:
            rows.append(row | {"gflops": end if following is None else following["gflops"]})
    return rows


def _over_budgets(steps: Sequence[Checkpoint], tested: Tested) -> Iterator[tuple[list[Checkpoint], Array]]:
    """Raise the budget of all folds from 0 and yield at each change, once every fold has a checkpoint within it.

    Yields:
        The latest checkpoint of every fold, and the probabilities of all test images (n, k), which change later.
    """
    folds = set(np.unique(tested.fold).tolist())
    current: dict[int, Checkpoint] = {}
    probabilities = np.zeros((len(tested.labels), len(tested.classes)))
    for _, reached in groupby(sorted(steps, key=lambda step: step.gflops), key=lambda step: step.gflops):
        for step in reached:
            current[step.fold] = step
            probabilities[step.positions] = step.probabilities
        if set(current) == folds:
            yield list(current.values()), probabilities


def _checkpoints(arms: Mapping[str, Arm], position: "pd.Series[int]", classes: Sequence[str]) -> list[Checkpoint]:
    """The checkpoints of successive arms; the compute of each adds to that of the arms before."""
    columns, found = [f"p_{name}" for name in classes], []
    before = dict.fromkeys((fold["fold"] for arm in arms.values() for fold in arm.cost["folds"]), 0.0)
    before = {fold: before_gflops(arms) / len(before) for fold in before}
    for name, arm in arms.items():
        if arm.trajectory is None:
            raise ValueError(f"arm {name} has no trajectory")
        for _, table in arm.trajectory.groupby(["fold", "epoch"], sort=True):
            fold = int(table["fold"].iloc[0])
            probabilities = normalised(table[columns].to_numpy("float64"))
            gflops = before[fold] + float(table["gflops"].iloc[0])
            found.append(Checkpoint(name, fold, gflops, position[table["image_id"]].to_numpy(), probabilities))
        before = {fold["fold"]: before[fold["fold"]] + fold["gflops_chosen"] for fold in arm.cost["folds"]}
    return found
