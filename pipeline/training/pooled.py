"""Pooled features of a backbone."""

import keras
import numpy as np

from pipeline.networks.inference import predictor
from pipeline.training.batches import Loader, predict_in_threads


def pooling(backbone: keras.Model) -> keras.Model:
    """A backbone with global average pooling: pixels to features (n, c) float32."""
    pool = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pooled")
    return keras.Model(backbone.input, pool(backbone.output))


def pooled_features(network: keras.Model, load: Loader, positions: np.ndarray) -> np.ndarray:
    """Features float32 (n, d) of the images at positions (n,) under the identity view, by a network of `pooling`."""
    return np.concatenate(list(predict_in_threads(predictor(network, len(positions)), load, positions)))
