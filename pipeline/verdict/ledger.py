"""What quality cost: what the arms had reached for each budget, and what it took to be as good as the baseline."""

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
    """What one fold could hand in: its arm, GFLOPs that the fold had spent by then, positions of its tested images (m,)
    int64, and what it said of them (m, k) float64.
    """

    arm: str
    fold: int
    gflops: float
    positions: Array
    probabilities: Array


def saving_curve(
    tested: Tested, examples: pd.DataFrame, arms: Mapping[str, Arm], against: Mapping[str, Arm], metric: str
) -> pd.DataFrame:
    """How good the arms were, out of fold, for each budget that they could have had.

    Every arm left what it predicts of the tested images at each epoch that was the best so far on validation. All folds
    are given the same budget of GFLOPs, and the budget rises from 0: at each, every fold hands in its latest such epoch
    within it, and the metric is taken over all tested images at once, as the verdict takes it. The transfer's budget
    goes to its share of the extraction, then to the head, then to tuning.

    The curve is a step function of what the handed-in epochs had cost: a row each time that some fold hands in a later
    one, from where all folds have one, and for every arm a last row where it has spent all that its chosen settings
    took. Until its last fold has gone on to the next arm, a row is the earlier arm's.

    Only chosen settings count: sweeps are told apart. Nothing is chosen on tested images here: the networks judged are
    those that validation chose, and this only measures how good they were on their way.

    Args:
        tested, examples: the target's tested images, in the same order.
        arms: of the transfer, in the order in which they spend. against: the one arm that it is compared with.
        metric: a key of METRICS.

    Returns:
        arm; gflops, summed over folds; value, the metric over all tested images at once; low and high, of the worst and
        the best fold, nan where the metric is defined in none. No rows where it is undefined over all images.
    """
    position, rows = pd.Series(np.arange(len(examples)), index=examples["image_id"]), []
    for chain in (arms, against):
        steps = _checkpoints(chain, position, tested.classes)
        states = [
            {"arm": _slowest(handed_in, chain), "gflops": sum(step.gflops for step in handed_in.values()), **quality}
            for handed_in, probabilities in _over_budgets(steps, tested)
            if (quality := _quality(tested, probabilities, metric))
        ]
        rows += _to_the_end(states, sum(fold_budgets(chain).values()))
    return pd.DataFrame(rows, columns=CURVE)


def cost_to_equal_quality(
    curve: pd.DataFrame, quality: float | None, metric: str, against: str = "scratch"
) -> dict[str, Any]:
    """The cost to reach, for the first time, the metric that the arm compared with ended with.

    Both are read from the curve: the first budget at which what the folds hand in is no worse than what scratch ended
    with, for the transfer's arms in a row and for scratch itself, so that an arm against itself has ratio 1.

    Args:
        curve: from `saving_curve`. quality: the metric, higher is better, of scratch's predictions; None: undefined.
        against: the name of the arm compared with (`scratch` in what follows).

    Returns:
        `gflops` of the transfer and `scratch_gflops`, summed over folds; `ratio` of the two; `reached`; `reason`.
        Where the transfer never got there, `reached` is false, `gflops` is all that it spent, and `ratio` is a lower
        bound. `ratio` is None, with a reason, where the untrained scratch network was already as good. All are None,
        with a reason, where the metric is undefined.
    """
    if quality is None:
        undefined = dict.fromkeys(("gflops", "scratch_gflops", "ratio", "reached"))
        return {**undefined, "reason": f"{metric} of {against} is undefined"}
    of_scratch = curve["arm"] == against
    good = curve["value"] >= quality - ROUNDING
    if not (of_scratch & good).any():
        raise ValueError("the trajectory of scratch does not end with its predictions")
    needed = float(curve["gflops"][of_scratch & good].iloc[0])
    reached = curve["gflops"][~of_scratch & good]
    gflops = float(reached.iloc[0] if len(reached) else curve["gflops"][~of_scratch].iloc[-1])
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
    """The rows of arms in a row, with a last one for each: where the next begins, or at the end of all spending."""
    rows = []
    for row, following in zip_longest(states, states[1:]):
        rows.append(row)
        if following is None or following["arm"] != row["arm"]:
            rows.append(row | {"gflops": end if following is None else following["gflops"]})
    return rows


def _over_budgets(steps: Sequence[Checkpoint], tested: Tested) -> Iterator[tuple[dict[int, Checkpoint], Array]]:
    """All folds are given the same budget, which rises from 0: what they hand in, each time that this changes.

    Folds without a checkpoint within the budget hand in nothing yet, and nothing is yielded until all do.

    Yields:
        The checkpoint of every fold, and what they say of all tested images (n, k); both go on changing afterwards.
    """
    folds = set(np.unique(tested.fold).tolist())
    handed_in: dict[int, Checkpoint] = {}
    probabilities = np.zeros((len(tested.labels), len(tested.classes)))
    for _, reached in groupby(sorted(steps, key=lambda step: step.gflops), key=lambda step: step.gflops):
        for step in reached:
            handed_in[step.fold] = step
            probabilities[step.positions] = step.probabilities
        if set(handed_in) == folds:
            yield handed_in, probabilities


def _slowest(handed_in: Mapping[int, Checkpoint], arms: Mapping[str, Arm]) -> str:
    """The first arm in the row that a fold still hands in."""
    return min((step.arm for step in handed_in.values()), key=list(arms).index)


def _checkpoints(arms: Mapping[str, Arm], position: "pd.Series[int]", classes: Sequence[str]) -> list[Checkpoint]:
    """The checkpoints of arms that spend one after the other; each begins when all that came before it was paid."""
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
