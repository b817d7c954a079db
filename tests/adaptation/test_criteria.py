"""The criteria on answers whose worth is known, their traps included."""

import numpy as np
import pytest

from pipeline.adaptation.criteria import CRITERIA, entropy, information, neighbourhood_density
from pipeline.adaptation.methods import METHODS
from pipeline.frame.params import Adapt

SURE = np.array([[0.99, 0.01], [0.01, 0.99]] * 10)
UNSURE = np.array([[0.6, 0.4], [0.4, 0.6]] * 10)
ONE_ANSWER = np.array([[0.99, 0.01]] * 20)


def test_params_and_tables_name_the_same():
    methods, criteria = Adapt.model_fields["methods"], Adapt.model_fields["criterion"]
    assert all(f"'{name}'" in str(methods.annotation) for name in METHODS)
    assert set(CRITERIA) == set(criteria.annotation.__args__)


@pytest.mark.parametrize("criterion", [entropy, information])
def test_sure_answers_are_preferred(criterion):
    assert criterion(SURE) > criterion(UNSURE)


def test_information_is_the_entropy_of_the_mean_less_the_mean_entropy():
    own = -(0.99 * np.log(0.99) + 0.01 * np.log(0.01))
    assert information(SURE) == pytest.approx(np.log(2) - own)
    assert information(ONE_ANSWER) == pytest.approx(0, abs=1e-9)
    assert entropy(SURE) == pytest.approx(-own)


def test_one_answer_for_all_deceives_the_others():
    """Why information is the one to prefer where classes are of about equal size."""
    assert entropy(ONE_ANSWER) == pytest.approx(entropy(SURE))
    assert neighbourhood_density(ONE_ANSWER) > neighbourhood_density(SURE)


def test_neighbourhood_density_against_loops():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1, 1], 7)
    unit = [row / np.sqrt((row**2).sum()) for row in probabilities]
    expected = []
    for i in range(7):
        weights = np.array([np.exp(unit[i] @ unit[j] / 0.05) for j in range(7) if j != i])
        weights /= weights.sum()
        expected.append(-(weights * np.log(weights)).sum())
    assert neighbourhood_density(probabilities) == pytest.approx(np.mean(expected))


def test_dense_clusters_beat_scattered_answers():
    scattered = np.stack([np.linspace(0.01, 0.99, 20), 1 - np.linspace(0.01, 0.99, 20)], 1)
    assert neighbourhood_density(SURE) > neighbourhood_density(scattered)
