"""The two parts of a gain: they sum to it, and shares are told only of a gain there is."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from pipeline.config.schema import VerdictParams
from pipeline.verdict import arms as tables
from pipeline.verdict.attribution import UNDEFINED, attribute

SETTINGS = VerdictParams(metric="accuracy", alpha=0.05, margin=0.01, resamples=200)
N = 400
RNG = np.random.default_rng(0)
TESTED = tables.Tested(["a", "b"], RNG.integers(0, 2, N), np.arange(N) % 3, np.arange(N) // 4, np.ones(N))


def arm(accuracy, seed):
    """Probabilities (N, 2) that are right about so often."""
    right = np.random.default_rng(seed).uniform(size=N) < accuracy
    sure = np.where(right == (TESTED.labels == 1), 0.9, 0.1)
    return np.column_stack([1 - sure, sure])


def accuracy(probabilities):
    return accuracy_score(TESTED.labels, probabilities.argmax(1))


def test_the_parts_are_those_of_the_accuracies_and_sum_to_the_gain():
    tuned, rescaled, scratch = arm(0.9, 1), arm(0.75, 2), arm(0.7, 3)
    found = attribute(TESTED, tuned, rescaled, scratch, SETTINGS, seed=1)
    whole = accuracy(tuned) - accuracy(scratch)
    assert found["features"]["gain"] == pytest.approx(accuracy(tuned) - accuracy(rescaled))
    assert found["scaling"]["gain"] == pytest.approx(accuracy(rescaled) - accuracy(scratch))
    assert found["scaling_share"] == pytest.approx((accuracy(rescaled) - accuracy(scratch)) / whole)
    assert found["scaling_share"] + found["features_share"] == pytest.approx(1) and found["reason"] is None


@pytest.mark.parametrize("gains", [(0.6, 0.75, 0.9), (0.8, 0.7, 0.8)])
def test_a_gain_that_is_none_has_no_shares(gains):
    arms = [arm(share, 1) for share in gains]
    found = attribute(TESTED, *arms, SETTINGS, seed=1)
    assert (found["scaling_share"], found["features_share"], found["reason"]) == (None, None, UNDEFINED)
