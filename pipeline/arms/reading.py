"""Read trained arms from the files of an output."""

import pandas as pd

from pipeline.store.files import read_json, read_parquet
from pipeline.store.outs import ArmPaths, TrainedPaths
from pipeline.verdict.arms import aligned
from pipeline.verdict.spending import Arm


def read_arms(trained: TrainedPaths, examples: pd.DataFrame, classes: list[str]) -> dict[str, Arm]:
    """Read all arms of an output, in the order of their training.

    Args:
        examples: of the target, in whose order the probabilities are returned.
        classes: in the order of the probabilities' columns.

    Raises:
        ValueError: an arm was not tested on exactly these images in these folds.
    """
    names = read_json(trained.facts)["arms"]
    return {name: _read_arm(trained.arm(name), examples, classes) for name in names}


def _read_arm(files: ArmPaths, examples: pd.DataFrame, classes: list[str]) -> Arm:
    return Arm(
        probabilities=aligned(read_parquet(files.predictions), examples, classes),
        cost=read_json(files.cost),
        # an arm that is not trained epoch by epoch has neither of these
        trajectory=read_parquet(files.trajectory) if files.trajectory.exists() else None,
        history=pd.read_csv(files.history) if files.history.exists() else None,
    )
