"""What a score is made from, and the form that all scores have."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Score = Callable[[Array], float]  # class indices int64 (n,) -> the score, the higher the better the features suit them


@dataclass(frozen=True)
class Known:
    """What is known of n images before anything is trained on them, but for their labels.

    Attributes:
        features: float64 (n, d), of mean 0 and standard deviation 1; a feature that is constant is 0 throughout.
        groups: (n,), images of one group show related things.
        outputs: float64 (n, s), what the source's own head says of the images; None: it has none.
        classes: of the target.
        seed: of what is drawn.
    """

    features: Array
    groups: Array
    outputs: Array | None
    classes: int
    seed: int


def standardised(features: Array) -> Array:
    """Features (n, d) scaled one by one to mean 0 and standard deviation 1, float64; a constant one becomes 0."""
    features = features.astype("float64")
    centred = features - features.mean(axis=0)
    spread = centred.std(axis=0)
    alive = spread > np.finfo(np.float32).eps * np.abs(features).max(axis=0)  # they were computed in float32
    return np.where(alive, centred / np.where(alive, spread, 1), 0.0)


def one_hot(labels: Array, classes: int) -> Array:
    """Class indices (n,) as float64 (n, classes)."""
    return np.eye(classes)[labels]
