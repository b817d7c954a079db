"""Predictions of an arm as arrays, and the metrics and plot tables made from them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.store.probabilities import normalised
from pipeline.verdict.metrics import METRICS, Array, confusion, reliability_rows, roc_rows


@dataclass(frozen=True)
class Tested:
    """A target's test images over all folds, in the order of its examples.

    labels, fold: (n,) int64; group: (n,) str; weights: (n,) float64; classes: the names behind the labels.
    """

    classes: list[str]
    labels: Array
    fold: Array
    group: Array
    weights: Array


def tested_images(examples: pd.DataFrame) -> Tested:
    """Read examples.parquet; classes are in alphabetical order, as in the network's outputs."""
    classes = sorted(examples["label"].unique())
    return Tested(
        classes,
        pd.Categorical(examples["label"], categories=classes).codes.astype("int64"),
        examples["fold"].to_numpy("int64"),
        examples["group"].to_numpy(),
        examples["weight"].to_numpy("float64"),
    )


def aligned(predictions: pd.DataFrame, examples: pd.DataFrame, classes: list[str]) -> Array:
    """Bring an arm's probabilities into the order of the examples: (n, k) float64, rows summing to one.

    Raises:
        ValueError: an image was not tested exactly once, in its own fold: arms could not be paired.
    """
    table = examples[["image_id", "fold"]].merge(predictions, on=["image_id", "fold"], how="outer", validate="1:1")
    table = table.set_index("image_id").reindex(examples["image_id"])
    probabilities = table[[f"p_{name}" for name in classes]].to_numpy("float64")
    if len(predictions) != len(examples) or np.isnan(probabilities).any():
        raise ValueError("predictions and examples do not hold the same images in the same folds")
    return normalised(probabilities)


def arm_metrics(tested: Tested, probabilities: Array) -> dict[str, float | None]:
    """Every metric of one arm, on its out-of-fold predictions of all images."""
    return {name: metric(tested.labels, probabilities, tested.weights) for name, metric in METRICS.items()}


def confusion_counts(tested: Tested, probabilities: Array) -> list[list[float]]:
    """The weighted confusion matrix as rows of true classes."""
    matrix = confusion(tested.labels, probabilities.argmax(1), len(tested.classes), tested.weights)
    return [[float(value) for value in row] for row in matrix]


def confusion_rows(tested: Tested, probabilities: Array) -> pd.DataFrame:
    """One row an image for DVC's confusion template: actual, predicted."""
    names = np.array(tested.classes)
    return pd.DataFrame({"actual": names[tested.labels], "predicted": names[probabilities.argmax(1)]})


def roc_table(tested: Tested, probabilities: Array) -> pd.DataFrame:
    """ROC curve of the first of two classes (alphabetically), or of each of more classes against the rest."""
    positives = [0] if len(tested.classes) == 2 else range(len(tested.classes))
    rows = [
        {"positive": tested.classes[index], **row}
        for index in positives
        for row in roc_rows(tested.labels, probabilities, tested.weights, index)
    ]
    return pd.DataFrame(rows, columns=["positive", "false_positive_rate", "true_positive_rate"])


def calibration_table(tested: Tested, probabilities: Array) -> pd.DataFrame:
    """A reliability diagram: confidence, accuracy, weight."""
    rows = reliability_rows(tested.labels, probabilities, tested.weights)
    return pd.DataFrame(rows, columns=["confidence", "accuracy", "weight"])


PLOTS = {"roc": roc_table, "confusion": confusion_rows, "calibration": calibration_table}


def plot_tables(tested: Tested, arms: Mapping[str, Array]) -> dict[str, pd.DataFrame]:
    """The rows of every plot of predictions, each with its `arm`; arms are probabilities (n, k)."""
    return {
        plot: pd.concat([table(tested, arm).assign(arm=name) for name, arm in arms.items()], ignore_index=True)
        for plot, table in PLOTS.items()
    }


def at_budget(trajectory: pd.DataFrame, budgets: dict[int, float]) -> pd.DataFrame:
    """An arm's predictions within a compute budget: of each fold, at its best validation epoch within the budget.

    Args:
        trajectory: predictions of every epoch that was the best so far, with `epoch` (0: untrained) and `gflops`.
        budgets: GFLOPs of each fold.
    """
    within = trajectory[trajectory["gflops"] <= trajectory["fold"].map(budgets) * (1 + 1e-9)]
    last = within.groupby("fold")["epoch"].transform("max")
    return within[within["epoch"] == last].drop(columns=["epoch", "images_seen", "gflops"])
