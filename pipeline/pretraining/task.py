"""What every way of pretraining gets, and what it gives."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.networks.graph import flat_layers
from pipeline.pretraining.settings import PretrainFitting
from pipeline.training.fit import Plan


@dataclass(frozen=True)
class Task:
    """A backbone, and the images that it is to learn from.

    Attributes:
        name: of the source, for the progress bar.
        backbone: pixels (n, s, s, 3) to a feature map; it learns in place.
        images: images.npy, uint8 (N, s, s, channels).
        rows: int (n,), the examples' rows in it.
        role: str (n,), "train" or "validation"; all "train" for a method that holds nothing out.
        labels: str (n,), None where the method uses none.
        augmentation: the views of `run.augmentation`.
        settings: of the method, from the section `pretraining`.
        seed: of everything random in it.
    """

    name: str
    backbone: keras.Model
    images: Path
    rows: np.ndarray
    role: np.ndarray
    labels: np.ndarray | None
    augmentation: str
    settings: PretrainFitting
    seed: int

    def plan(self, views: int = 1) -> Plan:
        """How to fit: a warm-up, then half a cosine to its end; never stopped early.

        The last epoch is kept: no source is chosen by labels, and of permuted ones the best epoch would be 0, so that
        the control would hold the weights that it began with.
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
class Learnt:
    """What a method came to, beside the backbone that has learnt.

    Attributes:
        history: one row an epoch: epoch, images_seen, gflops, backward_gflops, loss, and val_loss and
            val_balanced_accuracy for a method that validates. Every passage of an image through the network counts as
            one seen: both of its views, all four of its turns.
        head: the method's own head on pooled features, where it learnt with labels.
        pretext: how well the task that the method made up was solved: accuracy and chance, in 0..1.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
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
        """The part of `gflops` that went backward."""
        return float(self.history[-1]["backward_gflops"])


def prepare(backbone: keras.Model, momentum: float) -> None:
    """Let all of a backbone learn, with moving statistics over about 1 / (1 - momentum) steps."""
    backbone.trainable = True
    for layer in flat_layers(backbone):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum
