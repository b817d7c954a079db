"""The table of a training's predictions on the test images."""

import numpy as np
import pandas as pd

from pipeline.training.folds import class_names


def predictions_table(examples: pd.DataFrame, fold: int, positions: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
    """The rows of predictions.parquet: row, image_id, fold, label, p_<class>... in the order of `positions` (n,)."""
    table = examples.iloc[positions][["row", "image_id", "label"]].reset_index(drop=True)
    table.insert(2, "fold", fold)
    for index, name in enumerate(class_names(examples)):
        table[f"p_{name}"] = predicted[:, index].astype("float32")
    return table
