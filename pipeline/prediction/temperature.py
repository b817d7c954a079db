"""Calibrate probabilities by one temperature, fitted on out-of-fold predictions (Guo et al. 2017, section 4.2)."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

BOUNDS = (0.05, 20.0)  # of the temperature
SMALLEST = float(np.finfo(np.float32).tiny)  # a probability of 0 has no logarithm; networks answer in float32


def at_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (n, k) float64 with their logarithms divided by the temperature, rows summing to one.

    Above 1 they become less extreme, below 1 more so; their order stays.
    """
    scaled: np.ndarray = softmax(_logarithms(probabilities) / temperature, axis=1)
    return scaled


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """The temperature with the least `log_loss`.

    Args:
        probabilities: (n, k) of images that the networks did not train on. labels: (n,) integers in 0..k-1.
        weights: (n,) non-negative, not all zero.
    """
    low, high = np.log(BOUNDS)
    found = minimize_scalar(  # in 1 / T the loss is convex, so that it has one minimum in log T too
        lambda exponent: log_loss(probabilities, labels, weights, float(np.exp(exponent))),
        bounds=(low, high),
        method="bounded",
    )
    return float(np.exp(found.x))


def log_loss(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray, temperature: float) -> float:
    """The mean log loss at a temperature, of labels smoothed by the rule of succession.

    A label of n images and k classes counts (n + 1) / (n + k), any other class 1 / (n + k) (Platt 1999 for k = 2):
    without it a few images that are all classified correctly would be called certain.
    """
    n, k = probabilities.shape
    smoothed = (np.eye(k)[labels] * n + 1) / (n + k)
    losses = -(smoothed * log_softmax(_logarithms(probabilities) / temperature, axis=1)).sum(1)
    return float(np.average(losses, weights=weights))


def _logarithms(probabilities: np.ndarray) -> np.ndarray:
    logarithms: np.ndarray = np.log(np.maximum(np.asarray(probabilities, "float64"), SMALLEST))
    return logarithms
