"""The scale of features."""

import numpy as np


def centre_and_spread(features: np.ndarray) -> tuple[np.ndarray, float]:
    """The mean (d,) and the mean standard deviation of features (n, d).

    One spread for all: dividing each feature by its own would blow up, on other images, those that hardly vary here.
    """
    return features.mean(0), float(features.std(0).mean()) or 1.0
