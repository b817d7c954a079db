"""Distances against a double loop, limits against the images that set them, and what each comparison finds."""

import numpy as np
import pytest

from pipeline.prediction.unlike import QUANTILE, SCALINGS, distances, known, unit


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    return rng.gamma(2.0, 1.0, (300, 8)).astype("float32"), rng.gamma(2.0, 1.0, (400, 8)).astype("float32")


@pytest.mark.parametrize("scale", SCALINGS)
def test_distances_are_those_of_a_double_loop(features, scale):
    trained, others = (scale(each) for each in features)
    loop = [min(np.linalg.norm(other.astype("float64") - one) for one in trained) for other in others[:20]]
    np.testing.assert_allclose(distances(trained, others[:20]), loop, rtol=1e-4)


def test_the_limits_let_the_held_out_images_through_but_for_one_of_a_hundred(features):
    trained, held_out = features
    excess = known(trained, held_out).excess(held_out)
    assert 1 - 2 * (1 - QUANTILE) - 0.003 <= (excess <= 1).mean() < 1


def test_what_is_known_has_distance_0(features):
    trained, held_out = features
    assert known(trained, held_out).excess(trained[:5]).max() < 1e-3


def test_another_direction_and_another_length_are_both_unlike(features):
    trained, held_out = features
    alike = known(trained, held_out)
    direction = np.zeros((1, 8))
    direction[0, 3] = np.linalg.norm(trained, axis=1).mean()  # of the usual length
    length = 4 * trained[:1]  # in a known direction
    assert alike.excess(direction)[0] > 1 and alike.excess(length)[0] > 1


def test_features_that_are_all_the_same_or_0_divide_nothing_by_0():
    zero = np.zeros((4, 3))
    assert np.array_equal(unit(zero), zero)
    assert np.array_equal(known(zero, zero).excess(zero), np.zeros(4))
    assert (known(zero, zero).excess(zero + 1) > 1).all()
