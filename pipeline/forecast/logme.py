"""LogME: the evidence (marginal likelihood) of the labels under a Bayesian linear model of the features.

You et al., LogME: Practical Assessment of Pre-trained Models for Transfer Learning, ICML 2021, equation 2. Unlike
there, labels are centred as the features are, which gives the model an intercept.
"""

import numpy as np
from scipy.optimize import minimize_scalar

from pipeline.forecast.score_inputs import Array, Score, ScoreInputs, one_hot

DECADES = 8.0  # range of the search for alpha / beta, on both sides of the largest eigenvalue


def logme(inputs: ScoreInputs) -> Score:
    """The evidence per image, averaged over the classes, each against the rest."""
    u, s, _ = np.linalg.svd(inputs.features, full_matrices=False)

    def score(labels: Array) -> float:
        targets = one_hot(labels, inputs.classes)
        targets -= targets.mean(axis=0)
        return float(np.mean([log_evidence(u, s**2, y) for y in targets.T])) / len(labels)

    return score


def log_evidence(u: Array, eigenvalues: Array, y: Array) -> float:
    """The largest log density of y (n,) under N(0, F F^T / alpha + I / beta) over alpha and beta.

    With t = alpha / beta, the best beta has a closed form, so that only t is searched for.

    Args:
        u: (n, r), left singular vectors of the features F. eigenvalues: (r,), of F F^T.
    """
    n, within = len(y), (u.T @ y) ** 2
    outside = max(y @ y - within.sum(), 0.0)

    def loss(log_t: float) -> float:
        kept = 1 / (1 + eigenvalues * np.exp(-log_t))  # t / (t + eigenvalue)
        return float(n * np.log((within @ kept + outside) / n) - np.log(kept).sum()) / 2

    middle, reach = np.log(eigenvalues.max()), DECADES * np.log(10)
    best = minimize_scalar(loss, bounds=(middle - reach, middle + reach), method="bounded", options={"xatol": 1e-3})
    return float(-best.fun - n / 2 * (np.log(2 * np.pi) + 1))
