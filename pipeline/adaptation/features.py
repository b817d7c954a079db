"""Pooled features of images under a backbone, and their scale."""

import keras
import numpy as np

from pipeline.training.batches import Loader, predict


def pooling(backbone: keras.Model) -> keras.Model:
    """Pixels to the feature map (n, h, w, c) of a backbone, averaged over space: (n, c) float32."""
    pool = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pooled")
    return keras.Model(backbone.input, pool(backbone.output))


def extract(network: keras.Model, load: Loader, positions: np.ndarray) -> np.ndarray:
    """Features float32 (n, d) of the images at positions (n,), under the identity view."""
    return np.concatenate(list(predict(network, load, positions)))


def centre_and_spread(features: np.ndarray) -> tuple[np.ndarray, float]:
    """The mean (d,) and the mean standard deviation of features (n, d).

    One spread for all: dividing each feature by its own would blow up, on other images, those that hardly vary here.
    """
    return features.mean(0), float(features.std(0).mean()) or 1.0
