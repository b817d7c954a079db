"""LEEP: the log likelihood of the labels given the source's own predictions.

Nguyen et al., LEEP: A New Measure to Evaluate Transferability of Learned Representations, ICML 2020, equation 2.
"""

import numpy as np

from pipeline.forecast.score_inputs import Array, Score, ScoreInputs, one_hot


def leep(inputs: ScoreInputs) -> Score | None:
    """LEEP by the source's head; None where it has none."""
    return None if inputs.outputs is None else log_expected(inputs.outputs, inputs.classes)


def log_expected(outputs: Array, classes: int) -> Score:
    """The average log of the empirical predictor's probability of the true label.

    Args:
        outputs: (n, s), probabilities, rows sum to 1.
    """

    def score(labels: Array) -> float:
        joint = one_hot(labels, classes).T @ outputs / len(labels)  # (classes, s)
        conditional = joint / np.maximum(joint.sum(axis=0), np.finfo(np.float64).tiny)
        expected = (outputs @ conditional.T)[np.arange(len(labels)), labels]
        return float(np.log(expected).mean())

    return score
