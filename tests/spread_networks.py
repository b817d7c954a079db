"""Networks for tests of inference: their moving statistics are not the initial ones; and images for them."""

import keras
import numpy as np
import tiny_world

from pipeline.networks.architectures import build_backbone
from pipeline.networks.saving import load_model
from pipeline.training.pooled import pooling


def pooled_tiny(folder):
    """The backbone of tiny_world, pooled."""
    path = folder / "own.keras"
    tiny_world.write_backbone(path)
    return pooling(load_model(path))


def pooled(architecture, size):
    """An architecture with random weights, pooled."""
    network = pooling(build_backbone(architecture, size, 1, None))
    rng = np.random.default_rng(1)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.7, 1.3, weight.shape) for weight in layer.get_weights()])
    return network


def pixels(images, size):
    return np.random.default_rng(0).uniform(0, 255, (images, size, size, 3)).astype("float32")
