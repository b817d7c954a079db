"""What the pretraining methods share: their input, their result, and the training of a classifier."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.networks.flops import spending
from pipeline.networks.freezing import set_momentum
from pipeline.networks.fused import Kernels, copy_state
from pipeline.networks.trainable import check_trainable, unfreeze
from pipeline.pretraining.settings import PretrainFitting
from pipeline.store.progress import progress
from pipeline.training.batches import Loader
from pipeline.training.compile_cache import compiled_twin
from pipeline.training.fit import Fit, Plan, fit
from pipeline.training.folds import Part


@dataclass(frozen=True)
class Task:
    """The input of a pretraining method: a backbone and the images to train it on.

    Attributes:
        name: of the source, for the progress bar.
        backbone: pixels (n, s, s, 3) to a feature map; trained in place.
        images: images.npy, uint8 (N, s, s, channels).
        rows: int (n,), the examples' rows in it.
        role: str (n,), "train" or "validation"; all "train" for a method without validation.
        labels: str (n,), None for a method without labels.
        augmentation: `run.augmentation`.
        kernels: `run.kernels`.
        settings: of the method, from the section `pretraining`.
        seed: of all random draws.
    """

    name: str
    backbone: keras.Model
    images: Path
    rows: np.ndarray
    role: np.ndarray
    labels: np.ndarray | None
    augmentation: str
    kernels: Kernels
    settings: PretrainFitting
    seed: int

    def plan(self, views: int = 1) -> Plan:
        """Hyperparameters of the fit: warm-up, cosine decay, no early stopping, last epoch kept.

        Sources are not selected by validation loss. With permuted labels the best epoch would be 0, so that this
        control would return its initial weights.
        """
        settings = self.settings
        return Plan(
            learning_rate=settings.learning_rate,
            epochs=settings.epochs,
            patience=settings.epochs,
            batch_size=settings.batch_size,
            schedule="cosine",
            warmup=settings.warmup,
            weight_decay=settings.weight_decay,
            seed=self.seed,
            keep="last",
            views=views,
        )


@dataclass(frozen=True)
class PretrainResult:
    """The result of a pretraining method, beside the backbone that it trained in place.

    Attributes:
        history: one row an epoch: epoch, images_seen, gflops, backward_gflops, loss, and with validation val_loss and
            val_balanced_accuracy. images_seen counts every image passed through the network: both views, all rotations.
        head: the classifier on pooled features of a supervised method.
        pretext: accuracy and chance of the pretext task, in 0..1.
    """

    history: list[dict[str, Any]]
    head: keras.Model | None = None
    pretext: dict[str, float] | None = None

    @property
    def images_seen(self) -> int:
        return int(self.history[-1]["images_seen"])

    @property
    def gflops(self) -> float:
        return float(self.history[-1]["gflops"])

    @property
    def backward_gflops(self) -> float:
        """The backward part of `gflops`."""
        return float(self.history[-1]["backward_gflops"])


def prepare(backbone: keras.Model, momentum: float) -> None:
    """Unfreeze all layers and set the momentum of batch normalization."""
    unfreeze(backbone)
    set_momentum(backbone, momentum)


def fit_classifier(model: keras.Model, task: Task, load: Loader, train: Part, validation: Part, views: int) -> Fit:
    """Train a classifier for all epochs; the validation part is only monitored."""
    check_trainable(model)
    spent, plan = spending(model), task.plan(views)
    twin = compiled_twin(model, plan, task.kernels)
    with progress(total=task.settings.epochs * len(train.positions), label=task.name, unit="image") as bar:

        def on_epoch(row: dict[str, Any], kept: bool) -> None:
            row |= spent(row["images_seen"], row["epoch"] * len(validation.positions))

        result = fit(twin, load, train, validation, plan, on_epoch, bar.update)
    copy_state(twin, model)
    return result
