"""Pretraining as a classification: of the labels that there are, or of those that a pretext task makes up."""

from typing import Any

import keras

from pipeline.networks.flops import spending
from pipeline.pretraining.task import Task
from pipeline.store.progress import progress
from pipeline.training.batches import Loader
from pipeline.training.fit import Fit, fit
from pipeline.training.folds import Part


def fit_classifier(model: keras.Model, task: Task, load: Loader, train: Part, validation: Part, views: int) -> Fit:
    """Fit `model`; it ends with the weights of the last epoch. The validation part is there to be watched."""
    spent = spending(model)
    with progress(total=task.settings.epochs * len(train.positions), label=task.name, unit="image") as bar:

        def on_epoch(row: dict[str, Any], kept: bool) -> None:
            row |= spent(row["images_seen"], row["epoch"] * len(validation.positions))

        return fit(model, load, train, validation, task.plan(views), on_epoch, bar.update)
