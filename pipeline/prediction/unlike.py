"""Tell images that are unlike those of a target: far from all of them in the pooled features of a network.

The distance to the nearest neighbour (Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors"),
over a limit that images which the network did not train on rarely exceed. Features are compared as they are and scaled
to unit length: the first finds what excites a network too much or too little, the second what excites it otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import NearestNeighbors

QUANTILE = 0.995  # of the held-out images that are alike, in either comparison: 99 of 100 in both
SMALLEST = 1e-12  # of a length, and of a limit: features may all be 0, or the same


def unit(features: np.ndarray) -> np.ndarray:
    """Features (n, d) scaled to unit length; those that are 0 stay."""
    scaled: np.ndarray = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), SMALLEST)
    return scaled


SCALINGS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (np.asarray, unit)


@dataclass(frozen=True)
class Known:
    """The features (m, d) that count as known, and for each of SCALINGS the distance up to which others are alike."""

    features: np.ndarray
    limits: tuple[float, ...]

    def excess(self, features: np.ndarray) -> np.ndarray:
        """The distance of features (n, d) to the nearest known ones over its limit, the larger of both comparisons:
        (n,); above 1 is unlike.
        """
        found = (distances(scale(self.features), scale(features)) for scale in SCALINGS)
        return np.max([each / limit for each, limit in zip(found, self.limits, strict=True)], axis=0)


def known(trained: np.ndarray, held_out: np.ndarray) -> Known:
    """Set the limits so that the share QUANTILE of the held-out images is within each.

    Args:
        trained: features (m, d) of images that the network may have trained on. held_out: (n, d) of others, such as new
            images are.
    """
    found = (distances(scale(trained), scale(held_out)) for scale in SCALINGS)
    return Known(trained, tuple(max(float(np.quantile(each, QUANTILE)), SMALLEST) for each in found))


def distances(features: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The Euclidean distance (n,) of others (n, d) to the nearest of the features (m, d)."""
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(np.asarray(features, "float64"))
    found: np.ndarray = search.kneighbors(np.asarray(others, "float64"))[0][:, 0]
    return found
