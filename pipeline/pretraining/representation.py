"""Detect representation collapse by the effective rank and the spread of a backbone's pooled features."""

from dataclasses import dataclass

import numpy as np

from pipeline.store.errors import InputError

LEAST_VARIANCE = 1e-4  # random weights give 1e-2; rounding in float32 gives 1e-8 for constant features


@dataclass(frozen=True)
class Representation:
    """Measures of the pooled features of a set of images.

    Attributes:
        rank: the effective rank, 1 to the number of features; 0 where all images have the same features.
        variance: the standard deviation over images of the features scaled to length 1, averaged over the features;
            at most 1 / sqrt(features).
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
    """exp(entropy of the covariance's normalised eigenvalues) of features (n, d) (Roy and Vetterli, EUSIPCO 2007)."""
    eigenvalues = np.linalg.svd(features - features.mean(axis=0), compute_uv=False) ** 2
    if eigenvalues.sum() <= np.finfo(np.float32).eps ** 2 * (features**2).sum():  # features were computed in float32
        return 0.0
    share = eigenvalues / eigenvalues.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def check_not_collapsed(found: Representation, least_rank: float, source: str) -> None:
    """Refuse a backbone with collapsed features.

    Args:
        found: its measures.
        least_rank: effective rank below which a method has failed. Perfectly separated classes need one direction less
            than there are classes (neural collapse: Papyan et al., PNAS 2020); for two classes one is enough.
        source: its name, for the message.

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
