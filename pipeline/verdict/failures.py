"""Trainings that failed: that learnt nothing which their test images could show.

A few failed trainings of scratch make a straw man of it, and their rare large gains make intervals too narrow (where
15 % fail, 95 % intervals cover about 90 %). So they are counted, and told.
"""

import numpy as np

from pipeline.verdict.metrics import METRICS, Array

SHUFFLES = 199
CHANCE = 0.05  # share of shuffles that may do as well, one-sided


def failed_trainings(
    labels: Array, probabilities: Array, fold: Array, metric: str, weights: Array | None = None, seed: int = 0
) -> Array:
    """Whether each training of an arm failed: (J,) bool, in ascending order of the numbers in `fold`.

    A training failed where it answers one class for all of its images, or where the metric is no better than shuffled
    labels give (p > .05, one-sided). Where all images tested by it are of one class, or the metric is undefined,
    nothing can be told: False.

    Args:
        labels, fold: (n,) integers. probabilities: (n, k). weights: (n,) non-negative; all one if None.
        seed: of the shuffles. The order of rows has no effect.
    """
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    found = []
    for number in np.unique(fold):
        rows = np.flatnonzero((fold == number) & (weights > 0))
        rows = rows[np.lexsort([*probabilities[rows].T, weights[rows], labels[rows]])]
        rng = np.random.default_rng([seed, int(number)])
        found.append(_failed(labels[rows], probabilities[rows], weights[rows], metric, rng))
    return np.array(found, bool)


def _failed(labels: Array, probabilities: Array, weights: Array, metric: str, rng: np.random.Generator) -> bool:
    if len(np.unique(labels)) < 2:
        return False
    if len(np.unique(probabilities.argmax(1))) == 1:
        return True
    chosen = METRICS[metric]
    reached = chosen(labels, probabilities, weights)
    if reached is None:
        return False
    shuffled = [chosen(rng.permutation(labels), probabilities, weights) for _ in range(SHUFFLES)]
    sign = 1 if chosen.higher_is_better else -1
    as_good = sum(value is not None and sign * value >= sign * reached for value in shuffled)
    return bool((as_good + 1) / (SHUFFLES + 1) > CHANCE)
