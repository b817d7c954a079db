"""Disagreements: the images that one of two arms classifies correctly and the other does not, over all repeats."""

from dataclasses import dataclass

import numpy as np

from pipeline.verdict.arms import Tested, image_labels, over_repeats
from pipeline.verdict.metrics import Array


@dataclass(frozen=True)
class Disagreements:
    """Rows of the examples, int64, by decreasing difference of the true class's probability.

    gained: (a,) correct only by the arm; lost: (b,) correct only by the baseline.
    """

    gained: Array
    lost: Array


def disagreements(tested: Tested, arm: Array, baseline: Array) -> Disagreements:
    """Find the images of which just one arm predicts the true class; equal differences keep their order.

    Args:
        arm, baseline: probabilities (n, k) in the order of `tested`. They are averaged over the repeats of an image;
            the predicted class is the most probable one.
    """
    labels = image_labels(tested)
    right, also = (over_repeats(tested, predicted).argmax(1) == labels for predicted in (arm, baseline))
    difference = true_probabilities(tested, arm) - true_probabilities(tested, baseline)
    order = np.argsort(-np.abs(difference), kind="stable")
    return Disagreements(order[(right & ~also)[order]], order[(~right & also)[order]])


def true_probabilities(tested: Tested, probabilities: Array) -> Array:
    """The probability (images,) that an arm gives to the true class of every image, averaged over repeats."""
    return over_repeats(tested, probabilities[np.arange(len(tested.labels)), tested.labels])
