"""Resizing inside an ONNX file: images of any size go in, and the graph brings them to the network's.

ONNX Runtime's `Resize` of uint8 with `antialias` follows the code of Pillow, by which `ingest` made the images.
But it always takes columns before rows, and Pillow what is less work: where a picture is high and one of both goes
beyond black or white, pixels differ by some levels.
"""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.datasets.images import resized
from pipeline.export import as_onnx
from pipeline.store.errors import InputError

IR_VERSION = 8  # of the little file below: of the time of the opset
# as Pillow's
BICUBIC: Any = {"mode": "cubic", "cubic_coeff_a": -0.5, "antialias": 1, "exclude_outside": 1, "axes": [1, 2]}
MOST_OFF = 0.02  # of probabilities, between this file's resizing and Pillow's
# (rows, columns) of images of the target that make one picture; the last is a part of one image, and is enlarged
MOSAICS = ((2, 3), (3, 2), (2, 2), (0.6, 0.8))


class Resizing(NamedTuple):
    """How the file's resizing differs from Pillow's: grey levels of 255, share of them that differ, probabilities."""

    levels: int
    share: float
    probability: float


def add_resizing(path: Path, model: Any, images: np.ndarray, sides: list[int]) -> Resizing:
    """Put the resizing to `sides`, one after another, before the network of an ONNX file, which is replaced.

    Args:
        model: the network in Keras, from images of the last side.
        images: uint8 (n, s, s, 3), of which the pictures are made that are compared.

    Raises:
        InputError: probabilities differ by more than MOST_OFF from those of images that Pillow resized.
    """
    import onnx

    found = onnx.load(str(path))
    insert(found.graph, sides)
    onnx.checker.check_model(found)
    path.write_bytes(found.SerializeToString(deterministic=True))
    compared = compare(path, model, images, sides)
    if not compared.probability <= MOST_OFF:
        raise InputError(
            f"Resized inside the file, pictures get other probabilities than resized by Pillow: up to "
            f"{compared.probability:.2g}, allowed is {MOST_OFF:g}. Nothing was written. Export without --resize."
        )
    return compared


def insert(graph: Any, sides: list[int]) -> None:
    """Let images of any size into a graph of images of one."""
    from onnx import helper, numpy_helper

    (image,) = graph.input
    names = [image.name, *(f"resized{number}" for number in range(len(sides)))]
    for node in graph.node:
        node.input[:] = [names[-1] if name == image.name else name for name in node.input]
    for number, side in reversed(list(enumerate(sides))):
        taken = [names[number], "", "", f"side{number}"]
        graph.node.insert(0, helper.make_node("Resize", taken, [names[number + 1]], f"Resize_to_{side}", **BICUBIC))
        graph.initializer.append(numpy_helper.from_array(np.array([side, side], np.int64), f"side{number}"))
    for dimension, name in zip(image.type.tensor_type.shape.dim[1:3], ("height", "width"), strict=True):
        dimension.dim_param = name


def compare(path: Path, model: Any, images: np.ndarray, sides: list[int]) -> Resizing:
    """Pictures through the file, and through Pillow and Keras."""
    levels, off = [], []
    with tempfile.TemporaryDirectory() as folder:
        resizer = Path(folder, "resizer.onnx")
        resizer.write_bytes(_resizer(sides).SerializeToString())
        for pictures in mosaics(images):
            expected = np.stack([_by_pillow(picture, sides) for picture in pictures])
            levels.append(np.abs(as_onnx.predict(resizer, pictures).astype(int) - expected))
            off.append(np.abs(as_onnx.predict(path, pictures) - np.asarray(model.predict_on_batch(expected))).max())
    differences = np.concatenate(levels)
    return Resizing(int(differences.max()), float((differences > 0).mean()), float(max(off)))


def mosaics(images: np.ndarray) -> list[np.ndarray]:
    """As many pictures as images, uint8 (n, h, w, 3), of each of MOSAICS: images side by side, or a part of one."""
    side, shifted = images.shape[1], [np.roll(images, -step, axis=0) for step in range(9)]
    whole = np.concatenate([np.concatenate(shifted[row : row + 3], axis=2) for row in (0, 3, 6)], axis=1)
    parts = [
        whole[number :: len(MOSAICS), : round(rows * side), : round(columns * side)]
        for number, (rows, columns) in enumerate(MOSAICS)
    ]
    return [np.ascontiguousarray(part) for part in parts if len(part)]


def _by_pillow(picture: np.ndarray, sides: list[int]) -> np.ndarray:
    for side in sides:
        picture = resized(picture, side)
    return picture


def _resizer(sides: list[int]) -> Any:
    """A network that does nothing but resize."""
    from onnx import TensorProto, helper

    shape: list[Any] = ["n", sides[-1], sides[-1], 3]
    ends = [helper.make_tensor_value_info(name, TensorProto.UINT8, shape) for name in ("image", "out")]
    graph = helper.make_graph([helper.make_node("Identity", ["image"], ["out"])], "resizer", ends[:1], ends[1:])
    insert(graph, sides)
    versions = [helper.make_opsetid("", as_onnx.OPSET)]
    return helper.make_model(graph, opset_imports=versions, ir_version=IR_VERSION)
