"""The temperature: against a grid, against probabilities whose calibration is known, and where data are few."""

import numpy as np
import pytest
from scipy.special import softmax

from pipeline.prediction.temperature import BOUNDS, at_temperature, fit_temperature, log_loss


def drawn(n=4000, k=3, stretch=1.0, seed=0):
    """Labels drawn from probabilities, and these with their logits stretched: the right temperature is `stretch`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, k))
    true = softmax(logits, axis=1)
    labels = (rng.random((n, 1)) > true.cumsum(1)).sum(1).clip(max=k - 1)
    return softmax(logits * stretch, axis=1), labels


@pytest.mark.parametrize("stretch", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("k", [2, 5])
@pytest.mark.slow
def test_the_fit_is_the_best_of_a_grid_and_recovers_the_stretch(stretch, k):
    probabilities, labels = drawn(k=k, stretch=stretch)
    weights = np.random.default_rng(1).uniform(0.2, 1, len(labels))
    grid = np.geomspace(*BOUNDS, 2001)
    losses = [log_loss(probabilities, labels, weights, temperature) for temperature in grid]
    found = fit_temperature(probabilities, labels, weights)
    assert found == pytest.approx(grid[np.argmin(losses)], rel=5e-3)
    assert found == pytest.approx(stretch, rel=0.12)


def test_the_loss_is_that_of_scikit_learn_where_smoothing_is_slight():
    from sklearn.metrics import log_loss as sk_log_loss

    probabilities, labels = drawn(n=20000)
    weights = np.linspace(0.1, 1, len(labels))
    for temperature in (0.5, 1.0, 3.0):
        expected = sk_log_loss(labels, at_temperature(probabilities, temperature), sample_weight=weights)
        assert log_loss(probabilities, labels, weights, temperature) == pytest.approx(expected, rel=2e-3)


def test_at_1_nothing_changes_and_at_others_the_odds_are_powers():
    probabilities = np.array([[0.8, 0.15, 0.05], [0.2, 0.3, 0.5]])
    np.testing.assert_allclose(at_temperature(probabilities, 1.0), probabilities)
    cooled = at_temperature(probabilities, 2.0)
    np.testing.assert_allclose(cooled.sum(1), 1)
    np.testing.assert_allclose(cooled[:, 0] / cooled[:, 1], (probabilities[:, 0] / probabilities[:, 1]) ** 0.5)


def test_few_images_that_are_all_right_are_not_called_certain():
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9]] * 5)
    temperature = fit_temperature(probabilities, np.array([0, 1] * 5), np.ones(10))
    assert 0.5 < temperature < 1  # without smoothing the least loss would be at the bound
    assert at_temperature(probabilities, temperature).max() < 0.96


def test_a_probability_of_0_for_the_true_class_is_survived():
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0], [0.4, 0.6]])
    temperature = fit_temperature(probabilities, np.array([1, 1, 0]), np.ones(3))
    assert 1 < temperature <= BOUNDS[1]
    assert np.isfinite(at_temperature(probabilities, temperature)).all()


def test_an_image_without_weight_has_no_say():
    probabilities, labels = drawn(n=300)
    weights = np.r_[np.ones(200), np.zeros(100)]
    other = np.r_[labels[:200], (labels[200:] + 1) % 3]
    assert fit_temperature(probabilities, labels, weights) == fit_temperature(probabilities, other, weights)
