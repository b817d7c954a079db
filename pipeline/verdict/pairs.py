"""Paired predictions of two arms over the trainings of all repeats."""

from dataclasses import dataclass

import numpy as np

from pipeline.verdict.metrics import Array

ROUNDING = 1e-12  # equal metrics summed in another order differ by less; they must not make a label


class UndefinedGain(ValueError):
    """The predictions allow no interval; `reason` says why in one sentence."""

    def __init__(self, reason: str):
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True)
class PairedPredictions:
    """Both arms on the same n rows, in an order that depends only on their content (see `pair`).

    A row is an image tested by a training: by R repeats of a division into folds every image has R rows.

    Attributes:
        labels: (n,) int64. transfer, baseline: (n, k) float64 probabilities. fold: (n,) int64, the training;
            repeat: (n,) int64, the repeat it belongs to; group: (n,) int64. These three are codes 0, 1, ... of the
            sorted names. weights: (n,) float64.
    """

    labels: Array
    transfer: Array
    baseline: Array
    fold: Array
    group: Array
    repeat: Array
    weights: Array

    def arms(self) -> tuple[Array, Array]:
        return self.transfer, self.baseline


def pair(
    labels: Array,
    transfer: Array,
    baseline: Array,
    fold: Array,
    group: Array,
    repeat: Array | None = None,
    weights: Array | None = None,
) -> PairedPredictions:
    """Check row-aligned predictions and sort the rows by content, so that input order has no effect.

    Args:
        labels: (n,) integers. transfer, baseline: (n, k) probabilities, k >= 2. fold: (n,) names or numbers of the
            trainings, different in every repeat. group: (n,) names or numbers.
        repeat: (n,) names or numbers; all one repeat if None.
        weights: (n,) non-negative floats; all one if None. Rows of weight zero are left out.

    Raises:
        ValueError: where shapes differ, a label is outside 0..k-1, a training is in two repeats, or a number is not
            finite or is negative.
    """
    labels, fold, group = np.asarray(labels), np.asarray(fold), np.asarray(group)
    transfer, baseline = np.asarray(transfer, np.float64), np.asarray(baseline, np.float64)
    repeat = np.zeros(len(labels), np.int64) if repeat is None else np.asarray(repeat)
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    _check(labels, transfer, baseline, (fold, group, repeat, weights))
    used = weights > 0
    fold, group, repeat = (np.unique(names[used], return_inverse=True)[1] for names in (fold, group, repeat))
    if len(np.unique(np.column_stack([fold, repeat]), axis=0)) > len(np.unique(fold)):
        raise ValueError("a training belongs to two repeats: number trainings through, repeat * folds + fold")
    labels, transfer, baseline, weights = (x[used] for x in (labels, transfer, baseline, weights))
    order = np.lexsort([*baseline.T, *transfer.T, weights, labels, group, fold, repeat])
    columns = (labels.astype(np.int64), transfer, baseline, fold, group, repeat, weights)
    return PairedPredictions(*(column[order] for column in columns))


def _check(labels: Array, transfer: Array, baseline: Array, columns: tuple[Array, Array, Array, Array]) -> None:
    n, weights = len(labels), columns[-1]
    if transfer.ndim != 2 or transfer.shape != baseline.shape or transfer.shape[1] < 2:
        raise ValueError(f"probabilities must be two (n, k >= 2) arrays, got {transfer.shape} and {baseline.shape}")
    if any(column.shape != (n,) for column in columns) or len(transfer) != n:
        shapes = [column.shape for column in (labels, transfer, *columns)]
        raise ValueError(f"labels, probabilities, fold, group, repeat and weights need as many rows, got {shapes}")
    if n and (labels.min() < 0 or labels.max() >= transfer.shape[1]):
        raise ValueError(f"labels must lie in 0..{transfer.shape[1] - 1}, got {labels.min()}..{labels.max()}")
    for name, values in (("transfer", transfer), ("baseline", baseline), ("weights", weights)):
        if not np.isfinite(values).all() or (values < 0).any():
            raise ValueError(f"{name} must be finite and not negative")
