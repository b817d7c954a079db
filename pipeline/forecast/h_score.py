"""H-score: how far apart the classes' means lie, measured by the covariance of the features.

Bao et al., An Information-Theoretic Approach to Transferability in Task Transfer Learning, ICIP 2019; with the
shrunken covariance of Ibrahim et al., Newer is Not Always Better: Rethinking Transferability Metrics, ECML PKDD 2022,
since the plain one rates shuffled labels high where there are many features. Their factor of 1 - shrinkage is left out:
it is the same for all labels, and 0 where everything is shrunk.
"""

import numpy as np
from scipy.linalg import solve_triangular
from sklearn.covariance import ledoit_wolf

from pipeline.forecast.known import Array, Known, Score, one_hot


def h_score(known: Known) -> Score:
    """The trace of the inverse shrunken covariance times the covariance of the class means."""
    covariance, _ = ledoit_wolf(known.features, assume_centered=True)
    whitened = solve_triangular(np.linalg.cholesky(covariance), known.features.T, lower=True).T

    def score(labels: Array) -> float:
        sums = one_hot(labels, known.classes).T @ whitened
        counts = np.bincount(labels, minlength=known.classes)
        return float(((sums**2).sum(axis=1) / counts).sum() / len(labels))

    return score
