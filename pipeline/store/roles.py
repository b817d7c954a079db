"""The columns of examples.parquet that hold the roles of a target's images in its folds.

A target is divided into K folds in each of R repeats. Folds are numbered through all repeats, 0..R*K-1: fold f belongs
to repeat f // K, and every image is tested in one fold of each repeat.
"""

import numpy as np
import pandas as pd

from pipeline.store.files import read_json, read_parquet
from pipeline.store.outs import SplitPaths


def role_column(fold: int) -> str:
    """The column with the roles in a fold: train, validation, test or unused."""
    return f"role_{fold}"


def fold_count(examples: pd.DataFrame) -> int:
    """The number of folds in all repeats: that of the trainings of an arm."""
    return sum(column.startswith("role_") for column in examples.columns)


def repeat_count(examples: pd.DataFrame) -> int:
    """The number of repeats: how often every image is tested."""
    return [examples[role_column(fold)].iat[0] for fold in range(fold_count(examples))].count("test")


def trained_by_repeat(examples: pd.DataFrame) -> list[np.ndarray]:
    """For each repeat, the examples that at least one of its folds trains on: bool (examples,)."""
    folds = fold_count(examples)
    trained = [(examples[role_column(fold)] == "train").to_numpy() for fold in range(folds)]
    a_repeat = folds // repeat_count(examples)
    return [np.any(trained[first : first + a_repeat], axis=0) for first in range(0, folds, a_repeat)]


def examples_of(split: SplitPaths, arm: str) -> pd.DataFrame:
    """The examples of a target with the folds that one of its arms is trained on: the repeats its questions ask for.

    Args:
        arm: transfers/NAME, baselines/NAME, rescaled/NAME or adaptations/NAME.
    """
    examples = read_parquet(split.examples)
    folds, there = fold_count(examples), repeat_count(examples)
    trained = read_json(split.repeats).get(arm, 1) * folds // there
    return examples.drop(columns=[role_column(fold) for fold in range(trained, folds)])
