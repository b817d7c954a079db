"""One network of standard layers for new images: the mean of an arm's networks, calibrated, from uint8 pixels."""

from pathlib import Path

import keras
import numpy as np

from pipeline.networks.graph import flat_layers
from pipeline.networks.keras_files import at_size
from pipeline.networks.saving import load_model
from pipeline.prediction.members import Member
from pipeline.prediction.temperature import SMALLEST
from pipeline.training.pooled import pooling

IMAGE, PROBABILITIES = "image", "probabilities"  # input and output of every exported network


def averaged(members: list[Member], size: int, temperature: float) -> keras.Model:
    """The networks of an arm as one: uint8 (n, size, size, 3) to probabilities float32 (n, k), as `predict` has them.

    Heads on one backbone share it. Everything is computed in float32, also what was trained in 16 bits.
    """
    keras.utils.clear_session()  # names, and so the bytes of a file, must not depend on earlier networks
    keras.config.set_dtype_policy("float32")
    image, pixels = _entrance(size)
    features: dict[Path, keras.KerasTensor] = {}
    outputs = []
    for number, member in enumerate(members):
        network = _renamed(load_model(member.network), f"network{number}")
        if member.backbone is None:
            outputs.append(network(pixels))
            continue
        if member.backbone not in features:
            features[member.backbone] = _features(member.backbone, size, len(features))(pixels)
        outputs.append(network(features[member.backbone]))
    mean = keras.layers.Average(name="mean")(outputs) if len(outputs) > 1 else outputs[0]
    return keras.Model(image, _calibrated(mean, temperature), name="network")


def single(network: keras.Model, backbone: Path | None, size: int, temperature: float) -> keras.Model:
    """The same of one network, which takes pixels, or the pooled features of a backbone's file."""
    keras.config.set_dtype_policy("float32")
    image, pixels = _entrance(size)
    entered = _features(backbone, size, 0)(pixels) if backbone else pixels
    return keras.Model(image, _calibrated(_renamed(network, "network0")(entered), temperature), name="network")


def _entrance(size: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The input, uint8, and the same as float32: backbones scale pixels of 0..255 themselves."""
    image = keras.Input((size, size, 3), dtype="uint8", name=IMAGE)
    return image, keras.layers.Rescaling(1.0, name="pixels")(image)


def _features(file: Path, size: int, number: int) -> keras.Model:
    return _renamed(pooling(at_size(load_model(file), size, file)), f"backbone{number}")


def _renamed(network: keras.Model, name: str) -> keras.Model:
    for layer in flat_layers(network):
        if layer.compute_dtype != "float32" and not isinstance(layer, keras.layers.InputLayer):
            layer.dtype_policy = keras.DTypePolicy("float32")
    return keras.Model(network.input, network.output, name=name)


def _calibrated(probabilities: keras.KerasTensor, temperature: float) -> keras.KerasTensor:
    """As `temperature.at_temperature`."""
    logarithms = keras.ops.log(keras.ops.maximum(probabilities, np.float32(SMALLEST)))
    scaled = keras.layers.Rescaling(1 / temperature, name="temperature")(logarithms)
    return keras.layers.Softmax(name=PROBABILITIES)(scaled)
