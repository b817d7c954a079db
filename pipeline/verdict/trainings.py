"""What every training says about a metric: its value there, and how much each group of images moved it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.verdict.metrics import METRICS, Array, class_shares, group_influence
from pipeline.verdict.pairs import PairedPredictions


@dataclass(frozen=True)
class Trainings:
    """A metric, or a gain, inside each of J trainings (R repeats of K folds), with G groups of images.

    Attributes:
        values: (J,) float64, nan where the metric is undefined in a training.
        influences: (J, G), of every group on the value, summing to 0 over groups (see metrics.py).
        counts: (J, G), how much every group counts in the value, summing to 1 over groups.
        members: (J, G), the share of a group's images of a repeat that this training tested: 0 or 1 where no group is
            split between folds.
        shares: (J,), of a training in its repeat, by weight of the images tested; they sum to 1 in each repeat.
        repeat: (J,) int64 codes 0..R-1.
    """

    values: Array
    influences: Array
    counts: Array
    members: Array
    shares: Array
    repeat: Array

    @property
    def repeats(self) -> int:
        return len(np.unique(self.repeat))

    def mean(self) -> float:
        """The mean inside trainings, by their shares, averaged over repeats; nan where any is undefined."""
        return float(self.shares @ self.values) / self.repeats


def measured(
    metric: str, labels: Array, probabilities: Array, weights: Array, fold: Array, group: Array, repeat: Array
) -> Trainings:
    """Measure one arm inside each of its trainings.

    Args:
        labels, weights: (n,). probabilities: (n, k). fold: (n,) codes 0..J-1 of trainings; group: (n,) codes 0..G-1;
            repeat: (n,) codes 0..R-1. All weights are positive.
    """
    chosen, shape = METRICS[metric], (int(fold.max()) + 1, int(group.max()) + 1)
    values, repeats = np.full(shape[0], np.nan), np.zeros(shape[0], np.int64)
    influences, counts, weight = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for j in range(shape[0]):
        rows = np.flatnonzero(fold == j)
        of, chances, w = labels[rows], probabilities[rows], weights[rows]
        here, inside = np.unique(group[rows], return_inverse=True)
        repeats[j], weight[j, here] = repeat[rows[0]], np.bincount(inside, w)
        counts[j, here] = np.bincount(inside, class_shares(chosen, of, w))
        value = chosen(of, chances, w)
        if value is not None:
            values[j], influences[j, here] = value, group_influence(chosen, of, chances, w, inside)
    return _normalised(Trainings(values, influences, counts, weight, weight.sum(1), repeats))


def gains(pairs: PairedPredictions, metric: str) -> Trainings:
    """The gain inside each training, signed so that more is better."""
    columns = (pairs.weights, pairs.fold, pairs.group, pairs.repeat)
    one, other = (measured(metric, pairs.labels, arm, *columns) for arm in pairs.arms())
    sign = 1 if METRICS[metric].higher_is_better else -1
    return replace(
        one, values=sign * (one.values - other.values), influences=sign * (one.influences - other.influences)
    )


def defined(trainings: Trainings) -> Trainings:
    """Only the trainings with a value, the shares of the others in their repeat made up for; groups tested by none of
    them go too.
    """
    kept = ~np.isnan(trainings.values)
    if kept.all():
        return trainings
    used = (trainings.members[kept] > 0).any(0)
    return _normalised(
        Trainings(
            values=trainings.values[kept],
            influences=trainings.influences[kept][:, used],
            counts=trainings.counts[kept][:, used],
            members=trainings.members[kept][:, used],
            shares=trainings.shares[kept],
            repeat=np.unique(trainings.repeat[kept], return_inverse=True)[1],
        )
    )


def _normalised(trainings: Trainings) -> Trainings:
    """Divide members and shares by their sums over the trainings of a repeat."""
    repeat = trainings.repeat
    inside = (repeat[:, None] == np.unique(repeat)).astype(np.float64)  # (J, R)
    weight, size = inside @ (inside.T @ trainings.members), inside @ (inside.T @ trainings.shares)
    members = np.divide(trainings.members, weight, out=np.zeros_like(weight), where=weight > 0)
    return replace(trainings, members=members, shares=trainings.shares / size)


def probability_of_improvement(gains: Sequence[float | None]) -> float | None:
    """Share of trainings in which the transfer is better, ties half (Agarwal et al. 2021, section 4.3, paired).

    Trainings of undefined gain (None) are left out; None where none remains.
    """
    known = np.array([gain for gain in gains if gain is not None])
    return float((known > 0).mean() + (known == 0).mean() / 2) if len(known) else None
