"""Backbones from keras.applications that take raw pixels: each family's preprocessing becomes layers."""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from pipeline.networks.hdf5_weights import Tensors, assign
from pipeline.store.errors import InputError

# EfficientNetB0..B7 normalise inside the network, with statistics that come with the published weights only. Here
# networks with random weights get them too, so that both see the same pixels. For weights="imagenet" alone
# keras.applications also divides by the square root of the deviation: files of such networks, and of what was trained
# from them, hold the deviation as variance. The variance here includes that division.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
RAW = "raw RGB pixels 0..255; the network itself rescales them"
MAPPED = "pixels 0..255 in the order {}, times ({}), plus ({})"


class PixelMap(NamedTuple):
    """An affine map of RGB pixels: output channel c is scale[c] * input channel order[c] + offset[c]."""

    order: tuple[int, int, int]
    scale: tuple[float, ...]
    offset: tuple[float, ...]


IDENTITY = PixelMap((0, 1, 2), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


def build_application(name: str, image_size: int, tensors: Tensors | None = None, where: str = "") -> keras.Model:
    """Build keras.applications.<name> without its classifier, on raw pixels float32 (n, s, s, 3) of 0..255.

    Args:
        name: a name of `APPLICATIONS` in pipeline/registry/architectures.py.
        image_size: s, at least the network's minimum of 32 to 75 pixels.
        tensors: weights as hdf5_weights.py reads them; None for random ones.
        where: the name of their file in messages.

    Raises:
        InputError: the network cannot be built at this size, or the tensors are those of another.
    """
    builder = getattr(keras.applications, name)
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    try:
        backbone = builder(
            include_top=False,
            weights=None,
            input_tensor=_mapped(pixels, preprocessing_of(name)),
            input_shape=(image_size, image_size, 3),
        )
    except ValueError as error:
        raise InputError(f"{name} cannot be built at image_size {image_size}: {error}") from error
    if tensors is not None:
        assign(backbone, tensors, where)
    for layer in backbone.layers:
        if isinstance(layer, layers.Normalization) and layer.weights:
            _set_statistics(layer, own=tensors is not None)
    return keras.Model(pixels, backbone.output, name=backbone.name)  # Keras made a list of the one input


def preprocessing_of(name: str) -> PixelMap:
    """The `preprocess_input` of a keras.applications model as an affine map."""
    # not every family has a public module (MobileNetV3Small), but the builder's own module always has the function
    return affine_map(sys.modules[getattr(keras.applications, name).__module__].preprocess_input)


def affine_map(preprocess: Callable[[np.ndarray], np.ndarray]) -> PixelMap:
    """Find the affine map of a `preprocess_input` from its values on black and on one bright channel at a time.

    Args:
        preprocess: takes and returns float32 (n, h, w, 3); each output channel must depend on one input channel.

    Raises:
        ValueError: an output channel depends on several input channels.
    """
    bright = 255.0
    probes = np.zeros((4, 1, 1, 3), "float32")
    probes[1:] = bright * np.eye(3, dtype="float32")[:, None, None, :]
    black, *answers = np.asarray(preprocess(probes.copy()), "float64").reshape(4, 3)  # some families work in place
    slopes = (np.stack(answers) - black) / bright  # (input channel, output channel)
    order = np.abs(slopes).argmax(axis=0)
    scale = slopes[order, np.arange(3)]
    if np.abs(slopes).sum() > np.abs(scale).sum() * (1 + 1e-6):
        raise ValueError(f"preprocess_input mixes channels: slopes {slopes.tolist()}")
    return PixelMap((int(order[0]), int(order[1]), int(order[2])), tuple(scale.tolist()), tuple(black.tolist()))


def describe(pixel_map: PixelMap) -> str:
    """Describe a pixel map in words, for a source's card."""
    if pixel_map == IDENTITY:
        return RAW
    channels = "".join("RGB"[channel] for channel in pixel_map.order)
    scale, offset = (", ".join(f"{value:.6g}" for value in values) for values in (pixel_map.scale, pixel_map.offset))
    return MAPPED.format(channels, scale, offset)


def _mapped(pixels: Any, pixel_map: PixelMap) -> Any:
    x = pixels
    if pixel_map.order == (2, 1, 0):
        x = keras.ops.flip(x, axis=-1)
    if (pixel_map.scale, pixel_map.offset) != (IDENTITY.scale, IDENTITY.offset):
        x = layers.Rescaling(list(pixel_map.scale), offset=list(pixel_map.offset), name="preprocess")(x)
    return x


def _set_statistics(layer: layers.Normalization, own: bool) -> None:
    """Give a normalisation the published statistics, or put its own from a file into force."""
    mean, variance, count = (np.asarray(variable) for variable in (layer.adapt_mean, layer.adapt_variance, layer.count))
    if not own or np.allclose(variance, IMAGENET_DEVIATION, atol=1e-4):
        mean, variance = np.array(IMAGENET_MEAN), np.square(IMAGENET_DEVIATION)
    layer.load_own_variables({"0": mean, "1": variance, "2": np.zeros_like(count)})  # as in a file
