"""What trained arms spent, and what they had reached for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.verdict.metrics import Array

SCRATCH = "scratch"
PARTS = ("forward_gflops", "backward_gflops")  # of an arm's GFLOPs


@dataclass(frozen=True)
class Arm:
    """What a trained arm left: `probabilities` (n, k) in the order of the examples, and its tables."""

    probabilities: Array
    trajectory: pd.DataFrame
    history: pd.DataFrame
    cost: dict[str, Any]


def fold_budgets(extract: Mapping[str, Any], arms: Mapping[str, Arm]) -> dict[int, float]:
    """GFLOPs that the transfer spent on each fold: its share of the extraction, then what its chosen fits took."""
    costs = [pd.DataFrame(arm.cost["folds"]).set_index("fold")["gflops_chosen"] for arm in arms.values()]
    spent = sum(costs) + extract.get("gflops", 0.0) / len(costs[0])
    return {int(str(fold)): float(gflops) for fold, gflops in spent.items()}


def gflops_and_images(arms: Mapping[str, Arm]) -> dict[str, Any]:
    """What each arm spent over all folds and tried settings: <arm>_gflops, and images_seen an arm.

    `forward_gflops` and `backward_gflops` are the two parts of an arm's GFLOPs; validation passes are forward.
    `sweep_gflops` is the part of an arm's GFLOPs that went into settings that were tried and not kept.
    """
    folds = {name: arm.cost["folds"] for name, arm in arms.items()}
    return {
        **{f"{name}_gflops": arm.cost["gflops"] for name, arm in arms.items()},
        "images_seen": {name: sum(fold["images_seen"] for fold in of) for name, of in folds.items()},
        **{part: {name: arm.cost[part] for name, arm in arms.items()} for part in PARTS},
        "sweep_gflops": {name: sum(f["gflops"] - f["gflops_chosen"] for f in of) for name, of in folds.items()},
    }


def transfer_compute(extract: Mapping[str, Any], arms: Mapping[str, Arm]) -> dict[str, Any]:
    """What a transfer spent, extraction included; `saved` is the share of scratch's GFLOPs not spent.

    What pretraining cost is not in it: it was paid before, for any number of transfers, and is told beside it.
    """
    spent = gflops_and_images(arms)
    transfer = extract["gflops"] + sum(spent[f"{name}_gflops"] for name in arms if name != SCRATCH)
    saved = 1 - transfer / spent["scratch_gflops"]
    return {"extract_gflops": extract["gflops"], **spent, "transfer_gflops": transfer, "saved": saved}


def stopped_improving(arms: Mapping[str, Arm]) -> dict[str, list[bool]]:
    """Whether each fold of each arm ended because its validation no longer improved, not because its budget did."""
    return {name: [fold["stopped_improving"] for fold in arm.cost["folds"]] for name, arm in arms.items()}


def learning_curves(arms: Mapping[str, Arm], extract: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Epochs of the chosen settings of all arms.

    With `extract`, every arm but scratch is a step of one transfer and begins where the step before it ended; without,
    each arm stands for itself.
    """
    curves, begun = [], None
    for name, arm in arms.items():
        chosen = arm.history[arm.history["chosen"]].copy()
        if extract is not None and name != SCRATCH:
            folds = len(arm.cost["folds"])
            begun = pd.Series(extract["gflops"] / folds, index=range(folds)) if begun is None else begun
            ended = begun + chosen.groupby("fold")["gflops"].max()
            chosen["gflops"] += chosen["fold"].map(begun)
            begun = ended
        curves.append(chosen.assign(arm=name))
    columns = ["arm", "fold", "epoch", "images_seen", "gflops", "loss", "val_loss", "val_balanced_accuracy"]
    return pd.concat(curves, ignore_index=True)[columns]
