"""Pretraining as a classification: of the labels that there are, or of those that a pretext task makes up."""

from typing import Any

import keras

from pipeline.frame.progress import progress
from pipeline.networks.flops import forward_flops, training_flops
from pipeline.pretraining.task import GIGA, Task
from pipeline.training.batches import Loader
from pipeline.training.fit import Fit, fit
from pipeline.training.folds import Part


def fit_classifier(model: keras.Model, task: Task, load: Loader, train: Part, validation: Part, views: int) -> Fit:
    """Fit `model`; it ends with the weights of the epoch with the lowest validation loss.

    With permuted labels it ends with those of the last epoch instead: nothing that generalises can be learnt from
    them, so the best epoch would be 0 and the control would hold the weights that it began with.
    """
    step, forward = training_flops(model) / GIGA, forward_flops(model) / GIGA
    last = model.get_weights()
    with progress(total=task.settings.epochs * len(train.positions), label=task.name, unit="image") as bar:

        def on_epoch(row: dict[str, Any], best: bool) -> None:
            nonlocal last
            row["gflops"] = row["images_seen"] * step + row["epoch"] * len(validation.positions) * forward
            if task.permuted and row["epoch"] == task.settings.epochs:
                last = model.get_weights()

        result = fit(model, load, train, validation, task.plan(views), on_epoch, bar.update)
    if task.permuted:
        model.set_weights(last)
    return result
