"""Failed trainings: those that learnt are not named, those that did not are, at the promised rate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.verdict.failures import failed_trainings


def answers(labels, accuracy, rng):
    right = rng.uniform(size=len(labels)) < accuracy
    sure = np.where(right == (labels == 1), rng.uniform(0.51, 1, len(labels)), rng.uniform(0, 0.49, len(labels)))
    return np.column_stack([1 - sure, sure])


def world(seed=0, n=100):
    """Training 3 learnt, 5 guesses, 8 answers one class (but ranks well), 9 was tested on one class."""
    rng = np.random.default_rng(seed)
    labels, fold = rng.integers(2, size=4 * n), np.repeat([3, 5, 8, 9], n)
    labels[fold == 9] = 1
    probabilities = np.concatenate([answers(labels[:n], 0.8, rng), np.tile([[0.4, 0.6], [0.6, 0.4]], (n // 2, 1)),
                                    0.1 * answers(labels[2 * n : 3 * n], 0.9, rng) + [[0.8, 0.1]],
                                    answers(labels[3 * n :], 0.5, rng)])  # fmt: skip
    return labels, probabilities, fold


@pytest.mark.parametrize("metric", ["balanced_accuracy", "roc_auc", "log_loss", "macro_f1"])
def test_each_training_is_judged_by_itself(metric):
    assert failed_trainings(*world(), metric).tolist() == [False, True, True, False]


@settings(max_examples=5)
@given(seed=st.integers(0, 1000))
def test_the_order_of_rows_and_the_weight_of_nothing_have_no_effect(seed):
    labels, probabilities, fold = world(n=30)
    order = np.random.default_rng(seed).permutation(120)
    expected = failed_trainings(labels, probabilities, fold, "roc_auc", np.ones(120), seed)
    shuffled = failed_trainings(labels[order], probabilities[order], fold[order], "roc_auc", None, seed)
    assert shuffled.tolist() == expected.tolist()


def test_an_image_of_no_weight_is_not_looked_at():
    labels, probabilities, fold = world()
    probabilities[fold == 3] = [0.9, 0.1]
    probabilities[3] = [0.2, 0.8]
    weights = np.where(np.arange(400) == 3, 0.0, 1.0)
    assert failed_trainings(labels, probabilities, fold, "accuracy", weights)[0]


def test_of_trainings_that_guess_nineteen_of_twenty_are_found():
    rng = np.random.default_rng(0)
    labels, fold = rng.integers(2, size=6_000), np.repeat(np.arange(100), 60)
    found = failed_trainings(labels, answers(labels, 0.5, rng), fold, "balanced_accuracy")
    assert 0.88 < found.mean() < 1


def test_no_training_is_none():
    none = np.zeros(0, int)
    assert failed_trainings(none, np.zeros((0, 2)), none, "accuracy").tolist() == []
