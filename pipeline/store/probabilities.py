"""Predicted probabilities in float64, each row summing to one."""

import numpy as np


def normalised(outputs: np.ndarray) -> np.ndarray:
    """Divide outputs (n, k) by their row sums, in float64: rows of float32 sum to one only approximately."""
    exact = np.asarray(outputs, "float64")
    result: np.ndarray = exact / exact.sum(1, keepdims=True)
    return result
