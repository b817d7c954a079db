"""Is one picture a copy of another in other tones? Contrast, gamma and white balance are taken out before comparing."""

from collections.abc import Callable

import numpy as np
from scipy.stats import rankdata

from pipeline.datasets.alignment import correlation, detailed, power, texture
from pipeline.datasets.images import perceptual_hash

SAME = 0.985  # correlation of levelled textures above which they show one scene
AT_LEAST = 0.8  # the same of the textures as they are: levelling also brings out what all backgrounds share
FLAT = 2.0  # grey levels of 255: with less texture than this, grey values are compared too
SAME_HUE = 0.6  # difference of colours, as a share of the colours themselves
HUE_NOISE = 2.0  # levels of 255: differences of colours that are none


def levelled(thumbnails: np.ndarray) -> np.ndarray:
    """Thumbnails, uint8 (n, side, side), whose grey levels are spread evenly, which undoes every monotone change."""
    level = np.empty_like(thumbnails)
    for one, own in zip(level, thumbnails, strict=True):
        one.flat = (rankdata(own) - 0.5) * (256 / own.size)
    return level


def hashes_of(thumbnails: np.ndarray) -> np.ndarray:
    """Perceptual hashes as numbers, uint64 (n,)."""
    return np.array([int(perceptual_hash(one), 16) for one in thumbnails], np.uint64)


def toned(thumbnails: np.ndarray, level: np.ndarray, hues: np.ndarray | None) -> Callable[[np.ndarray], np.ndarray]:
    """A function that keeps the pairs, int (pairs, 2), that are one picture but for tones and the tint of the light.

    Args:
        thumbnails, level: uint8 (n, side, side), as they are and levelled.
        hues: (n, 8, 8, 2), colours; None: all are grey.
    """

    # white balance moves the mean of all colours
    tints = None if hues is None else hues - hues.mean((1, 2), keepdims=True, dtype=np.float32)

    def same(pairs: np.ndarray) -> np.ndarray:
        own, levels = ([texture(kind[side]) for side in pairs.T] for kind in (thumbnails, level))
        alike = (correlation(*levels) >= SAME) & (correlation(*own) >= AT_LEAST)
        for one in own:
            alike &= (power(one) >= FLAT) & detailed(one)
        return pairs[alike & (tints is None or same_hue(*(tints[side] for side in pairs.T)))]

    return same


def same_hue(first: np.ndarray, second: np.ndarray, share: float | np.ndarray = SAME_HUE) -> np.ndarray:
    """Whether colours differ by at most a share of their strength, bool (n,); a grey copy is a copy."""

    def strength(hue: np.ndarray) -> np.ndarray:
        return np.sqrt((hue.astype(np.float32) ** 2).mean((1, 2, 3)))

    one, other = strength(first), strength(second)
    close = strength(first - second) <= HUE_NOISE + share * np.maximum(one, other)
    return np.asarray(close | (np.minimum(one, other) == 0))
