"""H-score: the variance between class means, relative to the covariance of the features.

Bao et al., An Information-Theoretic Approach to Transferability in Task Transfer Learning, ICIP 2019; with the
shrunken covariance of Ibrahim et al., Newer is Not Always Better: Rethinking Transferability Metrics, ECML PKDD 2022,
since the plain one gives shuffled labels a high score where there are many features. Their factor of 1 - shrinkage is
left out: it is the same for all labels, and 0 at full shrinkage.
"""

import numpy as np
from scipy.linalg import solve_triangular
from sklearn.covariance import ledoit_wolf

from pipeline.forecast.score_inputs import Array, Score, ScoreInputs, one_hot


def h_score(inputs: ScoreInputs) -> Score:
    """The trace of the inverse shrunken covariance times the covariance of the class means."""
    covariance, _ = ledoit_wolf(inputs.features, assume_centered=True)
    whitened = solve_triangular(np.linalg.cholesky(covariance), inputs.features.T, lower=True).T

    def score(labels: Array) -> float:
        sums = one_hot(labels, inputs.classes).T @ whitened
        counts = np.bincount(labels, minlength=inputs.classes)
        return float(((sums**2).sum(axis=1) / counts).sum() / len(labels))

    return score
