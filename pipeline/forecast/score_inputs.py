"""The inputs of transferability scores, and the type that all scores share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Score = Callable[[Array], float]  # class indices int64 (n,) -> the score, higher is better


@dataclass(frozen=True)
class ScoreInputs:
    """Features and source predictions of n training images, before any training on them.

    Attributes:
        features: float64 (n, d), standardised (see `standardised`). groups: (n,), of related images.
        outputs: float64 (n, s), probabilities by the source's own head; None: it has none.
        classes: number of the target's classes. seed: of random draws.
    """

    features: Array
    groups: Array
    outputs: Array | None
    classes: int
    seed: int


def standardised(features: Array) -> Array:
    """Scale every feature of (n, d) to mean 0 and standard deviation 1, float64; a constant one becomes 0."""
    features = features.astype("float64")
    centred = features - features.mean(axis=0)
    spread = centred.std(axis=0)
    varying = spread > np.finfo(np.float32).eps * np.abs(features).max(axis=0)  # they were computed in float32
    return np.where(varying, centred / np.where(varying, spread, 1), 0.0)


def one_hot(labels: Array, classes: int) -> Array:
    """Class indices (n,) as float64 (n, classes)."""
    return np.eye(classes)[labels]
