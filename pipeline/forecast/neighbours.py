"""k nearest neighbours: whether images that look alike to the features have the same label."""

import numpy as np
from sklearn.metrics import balanced_accuracy_score, pairwise_distances

from pipeline.forecast.known import Array, Known, Score, one_hot

NEIGHBOURS = 5


def nearest_neighbours(known: Known) -> Score | None:
    """Balanced accuracy of the vote of the nearest images of other groups; None where an image has too few of these.

    A neighbour's vote counts the more, the rarer its class; of equal classes the first is taken.
    """
    same = known.groups[:, None] == known.groups
    if (len(same) - same.sum(axis=1)).min() < NEIGHBOURS:
        return None
    distances = np.where(same, np.inf, pairwise_distances(known.features))
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :NEIGHBOURS]

    def score(labels: Array) -> float:
        votes = one_hot(labels, known.classes)[nearest].sum(axis=1) / np.bincount(labels, minlength=known.classes)
        return float(balanced_accuracy_score(labels, votes.argmax(axis=1)))

    return score
