"""Disagreements: the images that one of two arms classifies correctly and the other does not."""

from dataclasses import dataclass

import numpy as np

from pipeline.verdict.arms import Tested
from pipeline.verdict.metrics import Array


@dataclass(frozen=True)
class Disagreements:
    """Positions among the test images, int64, by decreasing difference of the true class's probability.

    gained: (a,) correct only by the arm; lost: (b,) correct only by the baseline.
    """

    gained: Array
    lost: Array


def disagreements(tested: Tested, arm: Array, baseline: Array) -> Disagreements:
    """Find the images of which just one arm predicts the true class; equal differences keep their order.

    Args:
        arm, baseline: probabilities (n, k) in the order of `tested`; the predicted class is the most probable one.
    """
    right, also = (predicted.argmax(1) == tested.labels for predicted in (arm, baseline))
    difference = true_probabilities(tested, arm) - true_probabilities(tested, baseline)
    order = np.argsort(-np.abs(difference), kind="stable")
    return Disagreements(order[(right & ~also)[order]], order[(~right & also)[order]])


def true_probabilities(tested: Tested, probabilities: Array) -> Array:
    """The probability (n,) that an arm gives to the true class of every image."""
    chosen: Array = probabilities[np.arange(len(tested.labels)), tested.labels]
    return chosen
