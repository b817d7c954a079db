"""Keras' own format: standard layers only, loaded without this package and without running code."""

from pathlib import Path
from typing import Any

import numpy as np

EXAMPLE = """\
import keras

network = keras.saving.load_model("model.keras")
probabilities = network.predict_on_batch(pixels)"""


def write(model: Any, path: Path) -> None:
    """Write equal bytes for equal networks."""
    from pipeline.networks.saving import save_model

    save_model(model, path)


def predict(path: Path, images: np.ndarray) -> np.ndarray:
    """Probabilities (n, k) of uint8 images (n, s, s, 3)."""
    from pipeline.networks.saving import load_model

    return np.asarray(load_model(path).predict_on_batch(images))
