"""LEEP: how probable the labels are if one reads them off the source's own answers.

Nguyen et al., LEEP: A New Measure to Evaluate Transferability of Learned Representations, ICML 2020, equation 2.
"""

import numpy as np

from pipeline.forecast.known import Array, Known, Score, one_hot


def leep(known: Known) -> Score | None:
    """By the source's head; None where it has none."""
    return None if known.outputs is None else log_expected(known.outputs, known.classes)


def log_expected(outputs: Array, classes: int) -> Score:
    """The average log of the empirical predictor's probability of the true label.

    Args:
        outputs: (n, s), what is said of each image, rows sum to 1.
    """

    def score(labels: Array) -> float:
        joint = one_hot(labels, classes).T @ outputs / len(labels)  # (classes, s)
        conditional = joint / np.maximum(joint.sum(axis=0), np.finfo(np.float64).tiny)
        expected = (outputs @ conditional.T)[np.arange(len(labels)), labels]
        return float(np.log(expected).mean())

    return score
