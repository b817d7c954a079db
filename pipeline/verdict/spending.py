"""Compute spent by trained arms, and their learning curves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.verdict.metrics import Array


@dataclass(frozen=True)
class Arm:
    """A trained arm: `probabilities` (n, k) in the order of the examples, its tables, and its counts.

    `cost` has `folds` (counts of each), their sums, and `before_gflops`: spent before its training, such as on
    extracting features. `trajectory` and `history` are None for an arm that was not trained epoch by epoch.
    """

    probabilities: Array
    cost: dict[str, Any]
    trajectory: pd.DataFrame | None = None
    history: pd.DataFrame | None = None


def before_gflops(arms: Mapping[str, Arm]) -> float:
    """GFLOPs spent before the training of successive arms: on extracting features, or 0."""
    return float(sum(arm.cost["before_gflops"] for arm in arms.values()))


def fold_budgets(arms: Mapping[str, Arm]) -> dict[int, float]:
    """GFLOPs spent on each fold by successive arms: its share of the extraction, then those of the chosen settings."""
    costs = [{int(fold["fold"]): fold["gflops_chosen"] for fold in arm.cost["folds"]} for arm in arms.values()]
    share = before_gflops(arms) / len(costs[0])
    return {fold: float(sum(cost[fold] for cost in costs) + share) for fold in costs[0]}


def spent(arm: Arm) -> dict[str, Any]:
    """Compute of an arm over all folds and tried settings, as the fields of `results.result.Spent`; validation passes
    are forward.
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


def saving(arms: Mapping[str, Arm], scratch: Arm) -> dict[str, Any]:
    """GFLOPs of a transfer and of scratch, and the share of scratch's that was `saved`.

    Feature extraction is included, pretraining cost excluded. The keys are fields of `results.result.Compute`.
    """
    extract = before_gflops(arms)
    transfer = extract + sum(arm.cost["gflops"] for arm in arms.values())
    baseline = scratch.cost["gflops"]
    gflops = {"extract_gflops": extract, "transfer_gflops": transfer, "scratch_gflops": baseline}
    return {**gflops, "saved": 1 - transfer / baseline}


def stopped_improving(arms: Mapping[str, Arm]) -> dict[str, list[bool]]:
    """Whether each fold of each trained arm was stopped early, rather than by its budget of epochs."""
    return {
        name: [fold["stopped_improving"] for fold in arm.cost["folds"]]
        for name, arm in arms.items()
        if arm.history is not None
    }


def learning_curves(arms: Mapping[str, Arm], scratch: Mapping[str, Arm]) -> pd.DataFrame:
    """Learning curves of the chosen settings of all arms.

    Args:
        arms: steps of one transfer; the compute of each adds to that of the step before. scratch: the reference arm.
    """
    columns = ["arm", "fold", "epoch", "images_seen", "gflops", "loss", "val_loss", "val_balanced_accuracy"]
    return pd.concat([*_successive(arms), *_successive(scratch)], ignore_index=True)[columns]


def _successive(arms: Mapping[str, Arm]) -> list[pd.DataFrame]:
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
