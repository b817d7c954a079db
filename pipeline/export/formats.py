"""The formats of an exported network: a table; a new one is a module and an entry here."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.export import as_keras, as_litert, as_onnx
from pipeline.networks.device import choose_backend
from pipeline.store.errors import InputError

TOLERANCE = 1e-4  # of probabilities, between Keras and the file's own runtime
CHECKED = 64  # images
BATCH = 16  # of them at once; dynamic shapes keep all activations of a batch in memory
RESIZABLE = "onnx"  # the format whose files may resize images
MOST_BYTES = 2**31  # of an ONNX or LiteRT file: the limit of protocol buffers and of FlatBuffers


class Format(NamedTuple):
    """A format.

    Attributes:
        file: its name. packages: which write and run it, beyond those that training needs.
        write: (Keras network, path); the network's input is "image", its output "probabilities".
        predict: (path, uint8 (n, s, s, 3)) -> probabilities (n, k), by the runtime that reads such files elsewhere.
        bounded: whether a file must be smaller than MOST_BYTES.
        tags: of the model card. install: what runs the example of the card. example: Python lines, from `pixels`, a
            uint8 array (1, s, s, 3), to `probabilities`, an array (1, k).
    """

    file: str
    packages: tuple[str, ...]
    write: Callable[[Any, Path], None]
    predict: Callable[[Path, np.ndarray], np.ndarray]
    bounded: bool
    tags: tuple[str, ...]
    install: str
    example: str


FORMATS = {
    "onnx": Format(
        "model.onnx",
        ("onnx", "onnxruntime", "tf2onnx"),
        as_onnx.write,
        as_onnx.predict,
        bounded=True,
        tags=("onnx",),
        install="onnxruntime",
        example=as_onnx.EXAMPLE,
    ),
    "litert": Format(
        "model.tflite",
        ("ai_edge_litert",),
        as_litert.write,
        as_litert.predict,
        bounded=True,
        tags=("litert", "tflite"),
        install="ai-edge-litert",
        example=as_litert.EXAMPLE,
    ),
    "keras": Format(
        "model.keras",
        (),
        as_keras.write,
        as_keras.predict,
        bounded=False,
        tags=("keras",),
        install="keras tensorflow",
        example=as_keras.EXAMPLE,
    ),
}


def check_usable(name: str, resize: bool) -> None:
    """Check, before anything is computed, that a format can be written here.

    Args:
        resize: whether resizing is to be inside.

    Raises:
        InputError: a package is not installed, Keras has another backend than TensorFlow, or a format cannot resize.
    """
    if resize and name != RESIZABLE:
        raise InputError(
            f"--resize is for --format {RESIZABLE}. LiteRT has no bicubic filter that smooths where it shrinks, and "
            "where Keras runs there is Pillow: resize images before, by the lines of the model card."
        )
    missing = [package for package in FORMATS[name].packages if importlib.util.find_spec(package) is None]
    if missing:
        raise InputError(
            f"--format {name} needs packages that are not installed: {', '.join(missing)}. Install them by "
            "`pip install -c constraints.txt -e '.[export]'`, or take --format keras."
        )
    choose_backend()
    backend = os.environ["KERAS_BACKEND"]
    if FORMATS[name].packages and backend != "tensorflow":
        raise InputError(f"--format {name} is made by TensorFlow; KERAS_BACKEND is {backend!r} here. Unset it.")


def write_checked(name: str, model: Any, images: np.ndarray, path: Path) -> float:
    """Write a network and read it again by its own runtime.

    Args:
        images: uint8 (n, s, s, 3), on which both must agree.

    Returns:
        The greatest difference of a probability between Keras and the file.

    Raises:
        InputError: the network is too large for the format, or the file answers differently.
    """
    form = FORMATS[name]
    size = 4 * model.count_params()
    if form.bounded and size >= MOST_BYTES:
        raise InputError(
            f"The network has {size // 10**6:,} MB; a file for --format {name} holds less than "
            f"{MOST_BYTES // 10**6:,}. Take --refit, which has one network in the place of all, or --format keras."
        )
    parts = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    try:
        form.write(model, path)
        pairs = ((np.asarray(model.predict_on_batch(part)), form.predict(path, part)) for part in parts)
        difference = max(float(np.abs(expected - found).max()) for expected, found in pairs)
    except (OSError, MemoryError):  # of the machine, not of the network
        raise
    except Exception as error:  # converters and runtimes have classes of their own
        raise InputError(
            f"The network cannot be written as {name}: {' '.join(str(error).split())[:300]}. Nothing was written. "
            "Take --format keras, which holds every network."
        ) from error
    if not difference <= TOLERANCE:
        raise InputError(
            f"The {name} file answers otherwise than Keras: probabilities differ by up to {difference:.2g} on "
            f"{len(images)} images, allowed is {TOLERANCE:g}. Nothing was written. Take another --format."
        )
    return difference
