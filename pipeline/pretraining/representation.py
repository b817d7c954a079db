"""Whether a backbone still tells images apart: the number of directions that its features use, and how far they go."""

from dataclasses import dataclass

import numpy as np

from pipeline.store.errors import InputError

LEAST_VARIANCE = 1e-4  # random weights give 1e-2; float32 leaves 1e-8 of a constant


@dataclass(frozen=True)
class Representation:
    """The pooled features of a set of images.

    Attributes:
        rank: the effective rank, 1 to the number of features; 0 where all images have the same features.
        variance: the standard deviation of a feature over the images, after every image's features have been scaled to
            length 1; the mean over the features. At most 1 / sqrt(features).
    """

    rank: float
    variance: float


def represent(features: np.ndarray) -> Representation:
    """Measure features (n, d)."""
    features = features.astype("float64")
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.where(lengths > 0, lengths, 1)
    return Representation(effective_rank(features), float(unit.std(axis=0).mean()))


def effective_rank(features: np.ndarray) -> float:
    """The exponential of the entropy of the covariance's eigenvalues, scaled to sum 1 (Roy and Vetterli, EUSIPCO 2007).

    Args:
        features: (n, d).
    """
    eigenvalues = np.linalg.svd(features - features.mean(axis=0), compute_uv=False) ** 2
    if eigenvalues.sum() <= np.finfo(np.float32).eps ** 2 * (features**2).sum():  # features were computed in float32
        return 0.0
    share = eigenvalues / eigenvalues.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def check_not_collapsed(found: Representation, least_rank: float, source: str) -> None:
    """Refuse a backbone that says the same of all images, or no more than one thing where more is due.

    Args:
        least_rank: effective rank below which a method has failed. Classes as far apart as they can be need one
            direction less than there are classes (Papyan et al., PNAS 2020): of two, one is enough.

    Raises:
        InputError: with rank and variance.
    """
    if found.variance < LEAST_VARIANCE or found.rank < least_rank or not np.isfinite(found.variance):
        raise InputError(
            f"'{source}' collapsed: its features have effective rank {found.rank:.3g} (at least {least_rank:g} is "
            f"needed) and mean standard deviation {found.variance:.3g} (at least {LEAST_VARIANCE:g}), so that images "
            "can hardly be told apart; no model was written. Lower its learning rate, lengthen `warmup`, enlarge "
            "`batch_size`, or for vicreg raise `variance`."
        )
