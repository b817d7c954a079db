"""Predictions of an arm as arrays, and the metrics and plot tables made from them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.store.probabilities import normalised
from pipeline.store.roles import fold_count, role_column
from pipeline.verdict.metrics import METRICS, Array, confusion, reliability_rows, roc_rows
from pipeline.verdict.trainings import Trainings, defined, measured


@dataclass(frozen=True)
class Tested:
    """A target's n tests of images: one row a training and image that it tested, R rows an image.

    Rows are in order of the trainings' numbers, then of the examples.

    Attributes:
        classes: the names behind the labels. labels: (n,) int64.
        position: (n,) int64, the image's row among the examples.
        fold: (n,) int64, the number of the training, repeat * folds + fold. repeat: (n,) int64.
        group: (n,) str. weights: (n,) float64.
    """

    classes: list[str]
    labels: Array
    position: Array
    fold: Array
    repeat: Array
    group: Array
    weights: Array

    @property
    def repeats(self) -> int:
        return len(np.unique(self.repeat))

    def rows(self, chosen: Array) -> "Tested":
        """Some of the tests; `chosen` is (n,) bool."""
        columns = (self.labels, self.position, self.fold, self.repeat, self.group, self.weights)
        return Tested(self.classes, *(column[chosen] for column in columns))


def tested_images(examples: pd.DataFrame, repeats: int | None = None) -> Tested:
    """Read examples.parquet; classes are in alphabetical order, as in the network's outputs.

    Args:
        examples: `label`, `group`, `weight`, and `role_<training>` of every training 0, 1, ..., `test` where it tests
            the image. repeats: only the first so many; all if None.

    Raises:
        ValueError: images are not tested once in each repeat, or there are fewer repeats than asked for.
    """
    trainings = fold_count(examples)
    test = np.stack([(examples[role_column(j)] == "test").to_numpy() for j in range(trainings)])  # (trainings, images)
    there = int(test.sum(0).max(initial=0))
    repeats = there if repeats is None else repeats
    if not 1 <= repeats <= there:
        raise ValueError(f"examples hold {there} repeat(s); {repeats} were asked for")
    folds = trainings // there
    if trainings % there or (test.reshape(there, folds, -1).sum(1) != 1).any():
        raise ValueError(f"images are not tested once in each of {there} repeats by the {trainings} trainings")
    fold, position = np.nonzero(test[: repeats * folds])
    classes = sorted(examples["label"].unique())
    return Tested(
        classes,
        pd.Categorical(examples["label"], categories=classes).codes.astype("int64")[position],
        position,
        fold,
        fold // folds,
        examples["group"].to_numpy()[position],
        examples["weight"].to_numpy("float64")[position],
    )


def aligned(predictions: pd.DataFrame, examples: pd.DataFrame, tested: Tested) -> Array:
    """Bring an arm's probabilities into the order of `tested`: (n, k) float64, rows summing to one.

    Args:
        predictions: `image_id`, `fold` (the training), `p_<class>`; those of trainings that `tested` lacks are dropped.

    Raises:
        ValueError: a training did not test exactly its own images: arms could not be paired.
    """
    wanted = pd.DataFrame({"image_id": examples["image_id"].to_numpy()[tested.position], "fold": tested.fold})
    kept = predictions[predictions["fold"].isin(np.unique(tested.fold))]
    table = wanted.merge(kept, on=["image_id", "fold"], how="left", validate="1:1")
    probabilities = table[[f"p_{name}" for name in tested.classes]].to_numpy("float64")
    if len(kept) != len(wanted) or np.isnan(probabilities).any():
        raise ValueError("predictions and examples do not hold the same images in the same trainings")
    return normalised(probabilities)


def within_trainings(tested: Tested, probabilities: Array, metric: str) -> Trainings:
    """A metric of one arm inside each of its trainings, over the images of positive weight."""
    positive = tested.weights > 0
    used = tested.rows(positive)
    codes = (np.unique(names, return_inverse=True)[1] for names in (used.fold, used.group, used.repeat))
    return measured(metric, used.labels, probabilities[positive], used.weights, *codes)


def quality(tested: Tested, probabilities: Array, metric: str) -> float | None:
    """A metric of one arm as the verdict takes it: the mean inside trainings, averaged over repeats.

    None where it is undefined in every training; the others are left out.
    """
    if not (tested.weights > 0).any():
        return None
    found = within_trainings(tested, probabilities, metric)
    return None if np.isnan(found.values).all() else defined(found).mean()


def arm_metrics(tested: Tested, probabilities: Array) -> dict[str, float | None]:
    """Every metric of one arm."""
    return {name: quality(tested, probabilities, name) for name in METRICS}


def over_repeats(tested: Tested, values: Array) -> Array:
    """Average values (n, ...) of tests over the repeats of each image: (images, ...), in the order of the examples."""
    order = np.argsort(tested.position, kind="stable")
    means: Array = values[order].reshape(-1, tested.repeats, *values.shape[1:]).mean(1)
    return means


def image_labels(tested: Tested) -> Array:
    """The label (images,) of every image, in the order of the examples."""
    labels: Array = tested.labels[np.unique(tested.position, return_index=True)[1]]
    return labels


def confusion_counts(tested: Tested, probabilities: Array) -> list[list[float]]:
    """The weighted confusion matrix as rows of true classes, averaged over repeats: it sums to the images."""
    matrix = confusion(tested.labels, probabilities.argmax(1), len(tested.classes), tested.weights) / tested.repeats
    return [[float(value) for value in row] for row in matrix]


def confusion_rows(tested: Tested, probabilities: Array) -> pd.DataFrame:
    """One row a test for DVC's confusion template: actual, predicted; every image counts once a repeat."""
    names = np.array(tested.classes)
    return pd.DataFrame({"actual": names[tested.labels], "predicted": names[probabilities.argmax(1)]})


def roc_table(tested: Tested, probabilities: Array) -> pd.DataFrame:
    """ROC curve of the first of two classes (alphabetically), or of each of more classes against the rest.

    It pools the trainings, for the eye: trainings on different scales make its area smaller than the metric.
    """
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
    """An arm's predictions within a compute budget: of each training, at its best validation epoch within the budget.

    Args:
        trajectory: predictions of every epoch that was the best so far, with `epoch` (0: untrained) and `gflops`.
        budgets: GFLOPs of each training; trainings that it lacks are dropped.
    """
    within = trajectory[trajectory["gflops"] <= trajectory["fold"].map(budgets) * (1 + 1e-9)]
    last = within.groupby("fold")["epoch"].transform("max")
    return within[within["epoch"] == last].drop(columns=["epoch", "images_seen", "gflops"])
