"""What trained arms spent, and what they had reached for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from pipeline.verdict.metrics import Array

SCRATCH = "scratch"


@dataclass(frozen=True)
class Arm:
    """A trained arm: `probabilities` (n, k) in the order of the examples, its tables, and its counts.

    `cost` has `folds` (counts of each), their sums, and `before_gflops`: what had to be spent before its training, such
    as the extraction of features. `trajectory` and `history` are None for an arm that was not trained epoch by epoch.
    """

    probabilities: Array
    cost: dict[str, Any]
    trajectory: pd.DataFrame | None = None
    history: pd.DataFrame | None = None


def before_gflops(arms: Mapping[str, Arm]) -> float:
    """GFLOPs spent before the training of arms in a row: the extraction of features, or 0."""
    return float(sum(arm.cost["before_gflops"] for arm in arms.values()))


def fold_budgets(arms: Mapping[str, Arm]) -> dict[int, float]:
    """GFLOPs spent on each fold by arms in a row: its share of the extraction, then what the chosen settings took."""
    costs = [{int(fold["fold"]): fold["gflops_chosen"] for fold in arm.cost["folds"]} for arm in arms.values()]
    share = before_gflops(arms) / len(costs[0])
    return {fold: float(sum(cost[fold] for cost in costs) + share) for fold in costs[0]}


def spent(arm: Arm) -> dict[str, Any]:
    """What an arm spent over all folds and tried settings, as the fields of `results.result.Spent`.

    Validation passes are forward. An arm without folds was not trained and has spent nothing.
    """
    folds = arm.cost["folds"]
    counted = [fold["images_seen"] for fold in folds if "images_seen" in fold]
    tried = [fold["gflops"] - fold["gflops_chosen"] for fold in folds if "gflops_chosen" in fold]
    return {
        "gflops": arm.cost["gflops"],
        "forward_gflops": arm.cost.get("forward_gflops"),
        "backward_gflops": arm.cost["backward_gflops"],
        "sweep_gflops": sum(tried) if tried else None,
        "images_seen": sum(counted) if counted else None,
    }


class Saving(NamedTuple):
    """GFLOPs of both sides of a transfer; `saved` is the share of scratch's that was not spent."""

    extract_gflops: float
    transfer_gflops: float
    scratch_gflops: float
    saved: float


def saving(arms: Mapping[str, Arm], scratch: Arm) -> Saving:
    """What a transfer's arms and training from scratch spent, extraction included.

    The cost of pretraining is excluded: it was paid before, for any number of transfers, and is reported beside it.
    """
    extract = before_gflops(arms)
    transfer = extract + sum(arm.cost["gflops"] for arm in arms.values())
    of_scratch = scratch.cost["gflops"]
    return Saving(extract, transfer, of_scratch, 1 - transfer / of_scratch)


def stopped_improving(arms: Mapping[str, Arm]) -> dict[str, list[bool]]:
    """Whether each fold of each trained arm ended because its validation no longer improved, not its budget."""
    return {
        name: [fold["stopped_improving"] for fold in arm.cost["folds"]]
        for name, arm in arms.items()
        if arm.history is not None
    }


def learning_curves(arms: Mapping[str, Arm], scratch: Mapping[str, Arm]) -> pd.DataFrame:
    """Epochs of the chosen settings of all arms.

    Args:
        arms: steps of one transfer; each begins where the one before it ended. scratch: the arm compared with.
    """
    columns = ["arm", "fold", "epoch", "images_seen", "gflops", "loss", "val_loss", "val_balanced_accuracy"]
    return pd.concat([*_in_a_row(arms), *_in_a_row(scratch)], ignore_index=True)[columns]


def _in_a_row(arms: Mapping[str, Arm]) -> list[pd.DataFrame]:
    curves, begun = [], None
    for name, arm in arms.items():
        if arm.history is None:
            continue
        chosen = arm.history[arm.history["chosen"]].copy()
        folds = len(arm.cost["folds"])
        begun = pd.Series(before_gflops(arms) / folds, index=range(folds)) if begun is None else begun
        ended = begun + chosen.groupby("fold")["gflops"].max()
        chosen["gflops"] += chosen["fold"].map(begun)
        begun = ended
        curves.append(chosen.assign(arm=name))
    return curves
