"""LiteRT (formerly TensorFlow Lite): written by TensorFlow's own converter, run by `ai-edge-litert`.

Keras' `model.export(format="litert")` calls the same converter by way of a SavedModel and takes ten times as long.
"""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.export.served import served
from pipeline.networks.device import without_notices

EXAMPLE = """\
from ai_edge_litert.interpreter import Interpreter

network = Interpreter(model_path="model.tflite")
network.allocate_tensors()  # for more images at once, first resize_tensor_input(index, [n, ...])
network.set_tensor(network.get_input_details()[0]["index"], pixels)
network.invoke()
probabilities = network.get_tensor(network.get_output_details()[0]["index"])"""


def write(model: Any, path: Path) -> None:
    """Write float32 weights, without quantization: equal bytes for equal networks."""
    import tensorflow as tf

    # the converter is handed the function: of a Keras model in its place it took weights that were not set
    call, _ = served(model)
    with without_notices():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([call.get_concrete_function()], call)
        content: bytes = converter.convert()
    path.write_bytes(content)


def predict(path: Path, images: np.ndarray) -> np.ndarray:
    """Probabilities (n, k) of uint8 images (n, s, s, 3)."""
    from ai_edge_litert.interpreter import Interpreter

    with without_notices():
        network = Interpreter(model_path=str(path))
        network.resize_tensor_input(network.get_input_details()[0]["index"], images.shape)
        network.allocate_tensors()
    network.set_tensor(network.get_input_details()[0]["index"], images)
    network.invoke()
    return np.asarray(network.get_tensor(network.get_output_details()[0]["index"]))
