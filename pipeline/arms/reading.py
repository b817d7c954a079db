"""Read trained arms from the files of an output."""

from typing import Any

import pandas as pd

from pipeline.store.files import read_json, read_parquet
from pipeline.store.outs import SUMMED, ArmPaths, TrainedPaths
from pipeline.verdict.arms import Tested, aligned
from pipeline.verdict.spending import Arm


def read_arms(trained: TrainedPaths, examples: pd.DataFrame, tested: Tested) -> dict[str, Arm]:
    """Read all arms of an output, in the order of their training.

    Args:
        examples: of the target. tested: the tests in whose order the probabilities are returned; what an arm has of
            other repeats is left out.

    Raises:
        ValueError: an arm was not tested on exactly these images in these folds.
    """
    names = read_json(trained.facts)["arms"]
    return {name: _read_arm(trained.arm(name), examples, tested) for name in names}


def _read_arm(files: ArmPaths, examples: pd.DataFrame, tested: Tested) -> Arm:
    # an arm that is not trained epoch by epoch has neither trajectory nor history
    trajectory = read_parquet(files.trajectory) if files.trajectory.exists() else None
    history = pd.read_csv(files.history) if files.history.exists() else None
    predictions = read_parquet(files.predictions)
    return Arm(
        probabilities=aligned(predictions, examples, tested),
        cost=cost_of_folds(read_json(files.cost), set(tested.fold.tolist()), predictions["fold"].nunique()),
        trajectory=None if trajectory is None else _of_folds(trajectory, tested),
        history=None if history is None else _of_folds(history, tested),
    )


def cost_of_folds(cost: dict[str, Any], folds: set[int], trained: int) -> dict[str, Any]:
    """The part of an arm's cost that is due to some of its folds: their own, and their share of what came before.

    Args:
        trained: the number of folds of the arm.
    """
    if len(folds) == trained:
        return cost
    kept = [fold for fold in cost["folds"] if fold["fold"] in folds]
    share, sums = len(folds) / trained, {}
    for name in SUMMED:
        if name in cost and kept:
            own, all_own = (sum(fold.get(name, 0.0) for fold in of) for of in (kept, cost["folds"]))
            sums[name] = own + share * (cost[name] - all_own)
    passed = {"images": round(share * cost["images"])} if "images" in cost else {}
    return {**cost, **sums, **passed, "folds": kept, "before_gflops": share * cost["before_gflops"]}


def _of_folds(table: pd.DataFrame, tested: Tested) -> pd.DataFrame:
    return table[table["fold"].isin(set(tested.fold.tolist()))].reset_index(drop=True)
