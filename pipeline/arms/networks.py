"""The networks of the arms (linear probe, fine-tuned, from scratch): which model is trained and which is saved."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import keras
import numpy as np

from pipeline.networks.architectures import build_backbone
from pipeline.networks.freezing import batch_norms, set_momentum, set_trainable, split_at
from pipeline.networks.heads import build_head, set_precision, with_head
from pipeline.networks.keras_files import at_size
from pipeline.networks.rescaling import shuffle_weights
from pipeline.networks.saving import load_model
from pipeline.networks.trainable import check_trainable
from pipeline.training.tuning import variable_depths


class Trainee(NamedTuple):
    """A network to train.

    `trained` maps a loader's inputs to class probabilities. `whole` shares its variables and is what is saved. `depth`
    is the depth of each trainable variable of `trained` below the head (see training/tuning.py), int (variables,).
    """

    trained: keras.Model
    whole: keras.Model
    depth: np.ndarray


class Network(Protocol):
    """Builds the network of one arm; small and picklable, so that a fold can run in another process."""

    def build(self, dropout: float, l2: float, seed: int) -> Trainee: ...


@dataclass(frozen=True)
class HeadNetwork:
    """A linear probe on pooled features (n, features)."""

    features: int
    classes: int

    def build(self, dropout: float, l2: float, seed: int) -> Trainee:
        keras.utils.set_random_seed(seed)
        head = build_head(self.features, self.classes, dropout, l2)
        check_trainable(head)
        return Trainee(head, head, np.zeros(len(head.trainable_variables), "int64"))


@dataclass(frozen=True)
class TunedNetwork:
    """The backbone after `cut` and the trained head, fine-tuned from activations at the cut (or from pixels)."""

    backbone: Path
    head: Path
    cut: str
    image_size: int
    batch_norm: Literal["frozen", "train"]
    batch_norm_momentum: float | None = None

    def build(self, dropout: float, l2: float, seed: int) -> Trainee:
        keras.utils.set_random_seed(seed)
        backbone = at_size(load_model(self.backbone), self.image_size, self.backbone)
        trained_head = load_model(self.head)
        set_precision(backbone)
        features, classes = trained_head.input_shape[-1], trained_head.output_shape[-1]
        head = build_head(features, classes, dropout, l2)
        head.set_weights(trained_head.get_weights())
        set_trainable(backbone, self.cut, self.batch_norm)
        _, top = split_at(backbone, self.cut)
        if self.batch_norm == "train" and self.batch_norm_momentum is not None:
            set_momentum(top, self.batch_norm_momentum)
        trained = with_head(top, head)
        check_trainable(trained, batch_norms(top) if self.batch_norm == "frozen" else ())
        return Trainee(trained, with_head(backbone, head), variable_depths(trained, backbone))


@dataclass(frozen=True)
class ScratchNetwork:
    """The backbone from random weights and a head, all trained from pixels.

    `statistics_from`: the file of a backbone whose shuffled weights are the initial ones (see rescaling.py).
    """

    architecture: str
    image_size: int
    classes: int
    batch_norm_momentum: float
    sha256: str | None
    statistics_from: Path | None = None

    def build(self, dropout: float, l2: float, seed: int) -> Trainee:
        source = load_model(self.statistics_from) if self.statistics_from else None  # before the seeds are set
        backbone = build_backbone(self.architecture, self.image_size, seed, self.sha256)
        if source is not None:
            shuffle_weights(backbone, source, seed)
        set_precision(backbone)
        set_momentum(backbone, self.batch_norm_momentum)
        whole = with_head(backbone, build_head(backbone.output_shape[-1], self.classes, dropout, l2))
        check_trainable(whole)
        return Trainee(whole, whole, variable_depths(whole, backbone))
