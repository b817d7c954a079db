"""Inputs and outputs of adaptation methods.

The target comes as `Images`, which have no labels, so that no method can read them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import keras
import numpy as np

from pipeline.store.probabilities import normalised
from pipeline.training.batches import Loader


@dataclass(frozen=True)
class Labelled:
    """Features float32 (n, d), class indices int (n,) and weights float (n,) of mean 1."""

    features: np.ndarray
    labels: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Images:
    """Unlabelled images: their features (n, d) under the unadapted source, and a loader of their pixels.

    `positions` (n,) are the arguments of `load`.
    """

    features: np.ndarray
    load: Loader
    positions: np.ndarray

    def part(self, chosen: np.ndarray) -> "Images":
        """The images at these indices (m,)."""
        return replace(self, features=self.features[chosen], positions=self.positions[chosen])


@dataclass(frozen=True)
class Source:
    """A source with its labelled images.

    `network` maps pixels to pooled features (n, d), `head` features to probabilities (n, k). The head was trained on
    `train`; `validation` is for model selection.
    """

    network: keras.Model
    head: keras.Model
    train: Labelled
    validation: Labelled

    @property
    def classes(self) -> int:
        return int(self.head.output_shape[-1])


@dataclass(frozen=True)
class Adapted:
    """An adapted source: a feature space shared by both domains, and a head.

    `features` maps target images into it (n, e), `source_features` the source's features (n, d). `head` maps it to
    probabilities float64 (n, k). `gflops` is the compute of adapting, `backward_gflops` its part in back-propagation.
    """

    features: Callable[[Images], np.ndarray]
    source_features: Callable[[np.ndarray], np.ndarray]
    head: Callable[[np.ndarray], np.ndarray]
    gflops: float
    backward_gflops: float = 0.0

    def predict(self, images: Images) -> np.ndarray:
        """Probabilities float64 (n, k) of images of the target."""
        return self.head(self.features(images))


# (unlabelled training images of the target, strength (nan where the method has none), seed) -> adapted source
Adapter = Callable[[Images, float, int], Adapted]


def head_of(source: Source) -> Callable[[np.ndarray], np.ndarray]:
    """The source's own head: pooled features (n, d) to probabilities float64 (n, k)."""
    return lambda features: normalised(source.head.predict_on_batch(features))


def unadapted(source: Source) -> Adapted:
    """The source without adaptation."""
    return Adapted(lambda images: images.features, lambda features: features, head_of(source), 0.0)


def centre_and_spread(features: np.ndarray) -> tuple[np.ndarray, float]:
    """The mean (d,) and the mean standard deviation of features (n, d).

    One scale for all: dividing each by its own would blow up, on other images, features that hardly vary here.
    """
    return features.mean(0), float(features.std(0).mean()) or 1.0
