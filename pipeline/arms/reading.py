"""Reading trained arms: the one way from the files of an output to what is compared."""

from pathlib import Path

import pandas as pd

from pipeline.store.files import read_json, read_parquet
from pipeline.store.outs import ArmPaths, TrainedPaths
from pipeline.verdict.arms import aligned
from pipeline.verdict.spending import Arm


def read_arms(trained: TrainedPaths, examples: pd.DataFrame, classes: list[str]) -> dict[str, Arm]:
    """Read all arms of an output, in the order of their training.

    Args:
        examples: of the target, in whose order the probabilities come. classes: in the order of their columns.

    Raises:
        ValueError: an arm was not tested on just these images in just these folds.
    """
    names = read_json(trained.facts)["arms"]
    return {name: read_arm(trained.arm(name), examples, classes) for name in names}


def read_arm(files: ArmPaths, examples: pd.DataFrame, classes: list[str]) -> Arm:
    """Read one arm; one that was not trained epoch by epoch has no trajectory and no history."""
    return Arm(
        probabilities=aligned(read_parquet(files.predictions), examples, classes),
        cost=read_json(files.cost),
        trajectory=_if_there(files.trajectory),
        history=pd.read_csv(files.history) if files.history.exists() else None,
    )


def _if_there(table: Path) -> pd.DataFrame | None:
    return read_parquet(table) if table.exists() else None
