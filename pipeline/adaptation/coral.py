"""CORAL: match the mean and covariance of source features to the target in closed form, then fit a new linear head.

Sun, Feng and Saenko, Return of Frustratingly Easy Domain Adaptation, AAAI 2016. They add the identity to covariances of
standardised features. Here both are Ledoit-Wolf shrunk (2004), which does not depend on the scale of the features, and
the means are matched as their standardising does.
"""

from dataclasses import replace

import numpy as np
from sklearn.covariance import ledoit_wolf

from pipeline.adaptation.linear import fit_linear
from pipeline.adaptation.problem import Adapted, Adapter, Images, Source
from pipeline.config.schema import Adapt
from pipeline.networks.flops import GIGA


def power(covariance: np.ndarray, exponent: float) -> np.ndarray:
    """A power (d, d) of a symmetric positive definite matrix (d, d)."""
    values, vectors = np.linalg.eigh(covariance)
    result: np.ndarray = (vectors * values**exponent) @ vectors.T
    return result


def recolouring(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The matrix A (d, d) that takes covariance `source` to `target`: A' source A = target (both (d, d))."""
    return power(source, -0.5) @ power(target, 0.5)


def flops(features: int, images: int) -> float:
    """FLOPs of one adaptation: two covariances, two eigendecompositions, three products and the recolouring.

    9 d^3 for a symmetric eigendecomposition with vectors (Golub and Van Loan, Matrix Computations, 8.3).
    """
    return 2 * images * features**2 * 2 + 2 * 9 * features**3 + 3 * 2 * features**3


def shrunk_covariance(features: np.ndarray) -> np.ndarray:
    """The covariance (d, d) of features (n, d), shrunk towards a multiple of the identity; positive definite."""
    shrunk: np.ndarray = ledoit_wolf(features)[0]
    return shrunk


def prepare(source: Source, settings: Adapt) -> Adapter:
    """Recolour the source's features for a target and fit a new head."""
    train, held_out = source.train, source.validation
    own = train.features.astype("float64")
    covariance = shrunk_covariance(own)

    def adapt(target: Images, strength: float, seed: int) -> Adapted:
        other = target.features.astype("float64")
        matrix = recolouring(covariance, shrunk_covariance(other))

        def recoloured(features: np.ndarray) -> np.ndarray:
            moved: np.ndarray = (features - own.mean(0)) @ matrix + other.mean(0)
            return moved

        head = fit_linear(*(replace(part, features=recoloured(part.features)) for part in (train, held_out)))
        cost = flops(own.shape[1], len(own) + len(other)) / GIGA
        return Adapted(lambda images: images.features, recoloured, head.predict, cost)

    return adapt
