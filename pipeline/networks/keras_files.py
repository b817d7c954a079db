"""Load a user's backbone from a `.keras` file without running its code, and rebuild it for another image size."""

from pathlib import Path
from typing import Any

import keras

from pipeline.networks.graph import flat_layers
from pipeline.networks.pinned import read_pinned
from pipeline.networks.trainable import unfreeze
from pipeline.store.errors import InputError


def read_keras_file(path: str | Path, sha256: str | None) -> keras.Model:
    """Load a backbone from a `.keras` file with a pinned SHA-256, in Keras' safe mode.

    Returns:
        A Functional model from float32 (n, h, w, 3) to a feature map (n, h', w', c).

    Raises:
        InputError: wrong digest; a file that Keras refuses (a Lambda, a custom class, a damaged file); a network with
            several inputs or outputs, or whose input is not an image or whose output is not a feature map.
    """
    read_pinned(path, sha256)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises nearly every type here, from KeyError to zipfile.BadZipFile
        raise InputError(
            f"The network {path} cannot be loaded safely: {_first_line(error)} A file must hold Keras' own layers only "
            "(no Lambda, no class of your own), so that loading it never runs its code. Save the network again from "
            "standard layers."
        ) from error
    _check_backbone(model, path)
    # one plain input and output, also from a Sequential model or lists of one tensor
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def at_size(backbone: keras.Model, image_size: int, where: str | Path) -> keras.Model:
    """A backbone of this pipeline for images of another size, with its weights; itself where the size is its own.

    Raises:
        InputError: as `rebuilt`.
    """
    if backbone.input_shape[1] == image_size:
        return backbone
    return rebuilt(backbone, image_size, keep_weights=True, where=where)


def rebuilt(model: keras.Model, image_size: int, *, keep_weights: bool, where: str | Path) -> keras.Model:
    """Copy a network for square images of `image_size` pixels, with an input layer named "pixels".

    Args:
        keep_weights: whether to copy all weights or to draw new ones; Normalization statistics are always copied.
        where: the network's name in messages.

    Raises:
        InputError: the network is not fully convolutional and cannot take images of this size.
    """
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    try:
        copy = keras.models.clone_model(model, input_tensors=pixels)
        if keep_weights:
            copy.set_weights(model.get_weights())
    except (ValueError, TypeError) as error:
        raise InputError(
            f"The network {where} takes images of {_size(model)} and cannot be rebuilt for an image_size of "
            f"{image_size}: it is not fully convolutional ({_first_line(error)}) Set run.image_size, and that of "
            "the dataset and target where they have their own, to the network's size."
        ) from error
    for old, new in zip(flat_layers(model), flat_layers(copy), strict=True):
        if isinstance(old, keras.layers.Normalization) and old.weights:
            new.load_own_variables({str(i): weight for i, weight in enumerate(old.get_weights())})
    unfreeze(copy)
    return copy


def _check_backbone(model: Any, path: str | Path) -> None:
    if not isinstance(model, keras.Model) or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(f"The network {path} must be a Functional or Sequential model of one input and one output.")
    shape, output = model.inputs[0].shape, model.outputs[0].shape
    if len(shape) != 4 or shape[-1] != 3:
        raise InputError(
            f"The network {path} takes an input of shape {shape}; a backbone takes RGB images (None, height, width, 3)."
        )
    if len(output) != 4:
        raise InputError(
            f"The network {path} ends in shape {output}; a backbone ends in a feature map (None, height, width, "
            "channels). It seems to include pooling or a classifier head: save the part before them, "
            "keras.Model(model.input, model.get_layer(NAME).output), and give that file."
        )


def _size(model: keras.Model) -> str:
    return " x ".join("any" if side is None else str(side) for side in model.inputs[0].shape[1:3]) + " pixels"


def _first_line(error: Exception) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    return line if line.endswith(".") else line + "."
