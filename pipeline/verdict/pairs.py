"""Paired predictions of two arms, and the gain of one over the other."""

from dataclasses import dataclass

import numpy as np

from pipeline.verdict.metrics import METRICS, Array

ROUNDING = 1e-12  # equal metrics summed in another order differ by less; they must not make a label


class UndefinedGain(ValueError):
    """The predictions allow no interval; `reason` says why in one sentence."""

    def __init__(self, reason: str):
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True)
class PairedPredictions:
    """Both arms on the same n test images, in an order that depends only on their content (see `pair`).

    Attributes:
        labels: (n,) int64. transfer, baseline: (n, k) float64 probabilities. fold, group: (n,) int64 codes of the
            sorted names. weights: (n,) float64.
    """

    labels: Array
    transfer: Array
    baseline: Array
    fold: Array
    group: Array
    weights: Array

    def arms(self) -> tuple[Array, Array]:
        return self.transfer, self.baseline


def pair(
    labels: Array, transfer: Array, baseline: Array, fold: Array, group: Array, weights: Array | None = None
) -> PairedPredictions:
    """Check row-aligned predictions and sort the rows by content, so that input order has no effect.

    Args:
        labels: (n,) integers. transfer, baseline: (n, k) probabilities, k >= 2. fold, group: (n,) names or numbers;
            an image tested under several seeds is one row a seed, with the fold named after both.
        weights: (n,) non-negative floats; all one if None. Rows of weight zero are left out.

    Raises:
        ValueError: where shapes differ, a label is outside 0..k-1, or a number is not finite or is negative.
    """
    labels, fold, group = np.asarray(labels), np.asarray(fold), np.asarray(group)
    transfer, baseline = np.asarray(transfer, np.float64), np.asarray(baseline, np.float64)
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    _check(labels, transfer, baseline, fold, group, weights)
    fold, group = (np.unique(names[weights > 0], return_inverse=True)[1] for names in (fold, group))
    labels, transfer, baseline, weights = (x[weights > 0] for x in (labels, transfer, baseline, weights))
    order = np.lexsort([*baseline.T, *transfer.T, weights, labels, group, fold])
    columns = (labels.astype(np.int64), transfer, baseline, fold, group, weights)
    return PairedPredictions(*(column[order] for column in columns))


def _check(labels: Array, transfer: Array, baseline: Array, fold: Array, group: Array, weights: Array) -> None:
    n = len(labels)
    if transfer.ndim != 2 or transfer.shape != baseline.shape or transfer.shape[1] < 2:
        raise ValueError(f"probabilities must be two (n, k >= 2) arrays, got {transfer.shape} and {baseline.shape}")
    if any(column.shape != (n,) for column in (labels, fold, group, weights)) or len(transfer) != n:
        shapes = [column.shape for column in (labels, transfer, fold, group, weights)]
        raise ValueError(f"labels, probabilities, fold, group and weights must have as many rows, got {shapes}")
    if n and (labels.min() < 0 or labels.max() >= transfer.shape[1]):
        raise ValueError(f"labels must lie in 0..{transfer.shape[1] - 1}, got {labels.min()}..{labels.max()}")
    for name, values in (("transfer", transfer), ("baseline", baseline), ("weights", weights)):
        if not np.isfinite(values).all() or (values < 0).any():
            raise ValueError(f"{name} must be finite and not negative")


def point_gain(pairs: PairedPredictions, metric: str) -> float | None:
    """The gain over all test images, signed so that more is better; None where the metric is undefined."""
    chosen = METRICS[metric]
    values = [chosen(pairs.labels, probabilities, pairs.weights) for probabilities in pairs.arms()]
    if values[0] is None or values[1] is None:
        return None
    gain = (values[0] - values[1]) * (1 if chosen.higher_is_better else -1)
    return gain if abs(gain) > ROUNDING else 0.0


def fold_gains(pairs: PairedPredictions, metric: str) -> tuple[float | None, ...]:
    """The gain inside each fold, in order of the folds' names; None where the metric is undefined in a fold."""
    columns = (pairs.labels, pairs.transfer, pairs.baseline, pairs.fold, pairs.group, pairs.weights)
    parts = [PairedPredictions(*(x[pairs.fold == f] for x in columns)) for f in np.unique(pairs.fold)]
    return tuple(point_gain(part, metric) for part in parts)
