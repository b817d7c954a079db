"""k nearest neighbours: the accuracy of a kNN classifier on the features."""

import numpy as np
from sklearn.metrics import balanced_accuracy_score, pairwise_distances

from pipeline.forecast.score_inputs import Array, Score, ScoreInputs, one_hot

NEIGHBOURS = 5


def nearest_neighbours(inputs: ScoreInputs) -> Score | None:
    """Balanced accuracy of kNN among images of other groups; None where an image has too few of these.

    Votes are weighted by the inverse class frequency; ties go to the first class.
    """
    same = inputs.groups[:, None] == inputs.groups
    if (len(same) - same.sum(axis=1)).min() < NEIGHBOURS:
        return None
    distances = np.where(same, np.inf, pairwise_distances(inputs.features))
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :NEIGHBOURS]

    def score(labels: Array) -> float:
        votes = one_hot(labels, inputs.classes)[nearest].sum(axis=1) / np.bincount(labels, minlength=inputs.classes)
        return float(balanced_accuracy_score(labels, votes.argmax(axis=1)))

    return score
