"""Where two arms disagree: the images that one gets right and the other wrong."""

from dataclasses import dataclass

import numpy as np

from pipeline.verdict.arms import Tested
from pipeline.verdict.metrics import Array


@dataclass(frozen=True)
class Disagreements:
    """Positions among the tested images, int64, the surest disagreements first.

    gained: (a,) those that the arm alone gets right; lost: (b,) those that the baseline alone gets right.
    """

    gained: Array
    lost: Array


def disagreements(tested: Tested, arm: Array, baseline: Array) -> Disagreements:
    """Find the images of which just one arm predicts the true class.

    They are sorted by how far apart the two arms' probabilities of the true class are; equals keep their order.

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
