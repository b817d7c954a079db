"""What adapting is given, and what it gives back.

The target comes as `Images`, which have no labels: nothing in this package could read them.
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
    """Unlabelled images: their features under the source's network as it is (n, d), and how to load their pixels.

    `positions` (n,) are what `load` takes.
    """

    features: np.ndarray
    load: Loader
    positions: np.ndarray

    def part(self, chosen: np.ndarray) -> "Images":
        """The images at these places (m,) of this set."""
        return replace(self, features=self.features[chosen], positions=self.positions[chosen])


@dataclass(frozen=True)
class Source:
    """A source with its labelled images.

    `network` maps pixels to pooled features (n, d), `head` those to probabilities (n, k). What the head was trained on
    is `train`; `validation` is for choices.
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
    """An adapted source: a space of features in which both domains lie, and a head.

    `features` maps images of the target into it (n, e), `source_features` what the source's network makes of its own
    images (n, d); `head` maps it to probabilities float64 (n, k). `gflops` is what adapting took, `backward_gflops` the
    part of it that back-propagation took.
    """

    features: Callable[[Images], np.ndarray]
    source_features: Callable[[np.ndarray], np.ndarray]
    head: Callable[[np.ndarray], np.ndarray]
    gflops: float
    backward_gflops: float = 0.0

    def predict(self, images: Images) -> np.ndarray:
        """Probabilities float64 (n, k) of images of the target."""
        return self.head(self.features(images))


# the target's unlabelled training images, a strength (nan where the method has none) and a seed to an adapted source
Adapter = Callable[[Images, float, int], Adapted]


def head_of(source: Source) -> Callable[[np.ndarray], np.ndarray]:
    """The source's own head: pooled features (n, d) to probabilities float64 (n, k)."""
    return lambda features: normalised(source.head.predict_on_batch(features))


def as_it_is(source: Source) -> Adapted:
    """The source with nothing adapted."""
    return Adapted(lambda images: images.features, lambda features: features, head_of(source), 0.0)
