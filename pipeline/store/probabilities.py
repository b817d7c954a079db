"""Predicted probabilities as they are stored and compared: float64, every row summing to one."""

import numpy as np


def normalised(outputs: np.ndarray) -> np.ndarray:
    """Probabilities (n, k) float64 of outputs (n, k), divided by their row sums; float32 sums to one only nearly."""
    exact = np.asarray(outputs, "float64")
    result: np.ndarray = exact / exact.sum(1, keepdims=True)
    return result
