"""Quality against compute: the metric of the arms at each budget, and the cost to match the baseline."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import Any

import numpy as np
import pandas as pd

from pipeline.store.probabilities import normalised
from pipeline.verdict.arms import Tested
from pipeline.verdict.metrics import METRICS
from pipeline.verdict.pairs import ROUNDING
from pipeline.verdict.spending import Arm, before_gflops, fold_budgets

CURVE = ["arm", "gflops", "value", "low", "high"]


@dataclass(frozen=True)
class Checkpoint:
    """One training's network at one epoch: `gflops` spent on the training by then, and the metric on its test images
    (`value`, nan where undefined). `weight` is that of these images, `repeat` the training's repeat.
    """

    arm: str
    fold: int
    repeat: int
    gflops: float
    value: float
    weight: float


def saving_curve(
    tested: Tested, examples: pd.DataFrame, arms: Mapping[str, Arm], against: Mapping[str, Arm], metric: str
) -> pd.DataFrame:
    """The out-of-fold quality of the arms for every compute budget.

    Every arm has predictions at each epoch that was the best so far on validation. All trainings get the same budget of
    GFLOPs, which rises from 0. At each budget every training uses its latest such epoch within it, and the metric is
    the mean inside trainings, as in the verdict. The transfer's budget goes to its share of the extraction, then to
    the head, then to tuning. Sweeps are not counted. Nothing is chosen on test images: validation chose the networks.

    The curve is a step function. A row is added whenever a training's epoch changes, once all trainings have one, and
    every arm has a last row at its total cost. A row belongs to the earlier arm until all trainings have reached the
    next one.

    Args:
        tested: the tests of the target's examples. arms: of the transfer, in the order of training; their trainings
            that `tested` lacks are left out. against: the reference arm. metric: a key of METRICS.

    Returns:
        arm; gflops, summed over trainings; value, the mean of the metric inside trainings; low and high, of the worst
        and the best training. No rows where it is undefined in every training.
    """
    rows = []
    for chain in (arms, against):
        steps = _checkpoints(chain, tested, examples, metric)
        states = [
            {
                "arm": next(name for name in chain if any(step.arm == name for step in current)),
                "gflops": sum(step.gflops for step in current),
                **quality,
            }
            for current in _over_budgets(steps, np.unique(tested.fold).tolist())
            if (quality := _quality(current))
        ]
        trained = set(np.unique(tested.fold).tolist())
        total = sum(budget for fold, budget in fold_budgets(chain).items() if fold in trained)
        rows += _to_the_end(states, total)
    return pd.DataFrame(rows, columns=CURVE)


def cost_to_equal_quality(
    curve: pd.DataFrame, quality: float | None, metric: str, against: str = "scratch"
) -> dict[str, Any]:
    """The compute at which the arms first match the final quality of the reference arm.

    Both costs are read from the curve as the first budget of sufficient quality, so an arm against itself has ratio 1.

    Args:
        curve: from `saving_curve`. quality: the reference's (`arms.quality`), higher is better; None: undefined.
        against: the name of the reference arm (`scratch` in what follows).

    Returns:
        `gflops` of the transfer and `scratch_gflops`, summed over trainings; `ratio` of the two; `reached`; `reason`.
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


def _quality(current: Sequence[Checkpoint]) -> dict[str, float]:
    """The mean over trainings, by their shares of the tested weight in their repeat; the worst and the best of them."""
    known = [step for step in current if not np.isnan(step.value)]
    if not known:
        return {}
    values = np.array([step.value for step in known])
    weight, repeat = np.array([step.weight for step in known]), np.array([step.repeat for step in known])
    shares = weight / np.bincount(repeat, weight)[repeat] / len(np.unique(repeat))
    return {"value": float(shares @ values), "low": float(values.min()), "high": float(values.max())}


def _to_the_end(states: list[dict[str, Any]], end: float) -> list[dict[str, Any]]:
    """Add a last row to each of successive arms: where the next begins, or at the total cost."""
    rows = []
    for row, following in zip_longest(states, states[1:]):
        rows.append(row)
        if following is None or following["arm"] != row["arm"]:
            rows.append(row | {"gflops": end if following is None else following["gflops"]})
    return rows


def _over_budgets(steps: Sequence[Checkpoint], folds: Sequence[int]) -> Iterator[list[Checkpoint]]:
    """Raise the budget of all trainings from 0 and yield the latest checkpoint of each, at every change once all have
    one within it.
    """
    current: dict[int, Checkpoint] = {}
    for _, reached in groupby(sorted(steps, key=lambda step: step.gflops), key=lambda step: step.gflops):
        current |= {step.fold: step for step in reached}
        if set(current) == set(folds):
            yield [current[fold] for fold in folds]


def _checkpoints(arms: Mapping[str, Arm], tested: Tested, examples: pd.DataFrame, metric: str) -> list[Checkpoint]:
    """The checkpoints of successive arms; the compute of each adds to that of the arms before."""
    found, place = [], pd.Series(np.arange(len(examples)), index=examples["image_id"])
    columns, trained = [f"p_{name}" for name in tested.classes], np.unique(tested.fold)
    labels, weights = (np.zeros(len(examples), values.dtype) for values in (tested.labels, tested.weights))
    labels[tested.position], weights[tested.position] = tested.labels, tested.weights
    repeats = dict(zip(tested.fold.tolist(), tested.repeat.tolist(), strict=True))
    folds = {fold["fold"] for arm in arms.values() for fold in arm.cost["folds"]}
    before = dict.fromkeys(folds, before_gflops(arms) / len(folds)) if folds else {}
    for name, arm in arms.items():
        if arm.trajectory is None:
            raise ValueError(f"arm {name} has no trajectory")
        within = arm.trajectory[arm.trajectory["fold"].isin(trained)]
        for _, table in within.groupby(["fold", "epoch"], sort=True):
            fold, rows = int(table["fold"].iloc[0]), place[table["image_id"]].to_numpy()
            value = METRICS[metric](labels[rows], normalised(table[columns].to_numpy("float64")), weights[rows])
            gflops = before[fold] + float(table["gflops"].iloc[0])
            value, weight = np.nan if value is None else value, float(weights[rows].sum())
            found.append(Checkpoint(name, fold, repeats[fold], gflops, value, weight))
        before = {fold["fold"]: before[fold["fold"]] + fold["gflops_chosen"] for fold in arm.cost["folds"]}
    return found
