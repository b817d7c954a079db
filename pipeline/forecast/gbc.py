"""GBC: the Bhattacharyya overlap between classes, each modelled as a Gaussian.

Pandy et al., Transferability Estimation using Bhattacharyya Class Separability, CVPR 2022, equations 2 to 4, with the
64 principal components and the spherical covariances that they use.
"""

import numpy as np
from sklearn.decomposition import PCA

from pipeline.forecast.score_inputs import Array, Score, ScoreInputs, one_hot

COMPONENTS = 64


def gbc(inputs: ScoreInputs) -> Score:
    """The negated sum of the Bhattacharyya coefficients of all ordered pairs of classes."""
    reduced = PCA(min(COMPONENTS, *inputs.features.shape), svd_solver="full").fit_transform(inputs.features)
    squared = (reduced**2).sum(axis=1)

    def score(labels: Array) -> float:
        shares = one_hot(labels, inputs.classes).T
        shares /= shares.sum(axis=1, keepdims=True)
        means = shares @ reduced
        spread = (shares @ squared - (means**2).sum(axis=1)) / reduced.shape[1]  # variance a component
        between = (spread[:, None] + spread) / 2
        distance = ((means[:, None] - means) ** 2).sum(axis=-1) / (8 * between)
        distance += reduced.shape[1] / 2 * np.log(between / np.sqrt(spread[:, None] * spread))
        overlap = np.exp(-distance)
        return float(np.trace(overlap) - overlap.sum())

    return score
