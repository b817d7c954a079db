"""The criteria on answers whose worth is known, their traps included."""

import numpy as np
import pytest
from synthetic import SETTINGS, images, labelled, sample, shifted_source, source_of

from pipeline.adaptation.criteria import (
    Trial,
    entropy,
    information,
    neighbourhood_density,
    pseudo_labelled,
    reverse_validation,
)
from pipeline.adaptation.problem import Adapted
from pipeline.registry.adaptation import ADAPTATION
from pipeline.registry.criteria import CRITERIA
from pipeline.store.places import load

SURE = np.array([[0.99, 0.01], [0.01, 0.99]] * 10)
UNSURE = np.array([[0.6, 0.4], [0.4, 0.6]] * 10)
ONE_ANSWER = np.array([[0.99, 0.01]] * 20)


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


def trial(answer, source=None, target=None, source_features=lambda own: own):
    """A candidate that answers features (n, 3) of the target by `answer`: to classes (n,), given surely."""
    target = sample(200, 5)[0] if target is None else target
    adapted = Adapted(lambda part: part.features, source_features, lambda features: np.eye(2)[answer(features)], 0.0)
    source = source_of(sample(300, 1), sample(100, 2)) if source is None else source
    return Trial(source, adapted, images(target[:150]), images(target[150:]))


def right(features):
    return (features[:, 0] > 0).astype(int)


def test_right_answers_lead_back_to_the_sources_labels_and_exchanged_ones_to_none():
    assert reverse_validation(trial(right)) > 0.98
    assert reverse_validation(trial(lambda features: 1 - right(features))) < 0.02


def test_answers_that_have_nothing_to_do_with_the_class_lead_nowhere():
    half = sample(100, 5)[0]
    target = np.stack([half, half * [-1, 1, 1]], 1).reshape(-1, 3)  # the second says nothing of the first
    by_another = reverse_validation(trial(lambda features: (features[:, 1] > 0).astype(int), target=target))
    assert by_another == pytest.approx(0.5, abs=0.15)


def test_one_answer_for_all_is_chance_where_classes_weigh_the_same():
    features, labels = sample(100, 2)
    balanced = 1 / np.bincount(labels)[labels]
    source = source_of(sample(300, 1), (features, labels))
    heavy = type(source)(source.network, source.head, source.train, labelled(features, labels, balanced))
    assert reverse_validation(trial(lambda target: np.ones(len(target), int), heavy)) == pytest.approx(0.5)


def test_the_way_back_is_in_the_candidates_own_features():
    """The target is the source mirrored: right answers lead back only if the source is seen mirrored, too."""
    mirrored = -sample(200, 5)[0]
    answer = {"target": mirrored, "answer": lambda features: right(-features)}
    assert reverse_validation(trial(**answer)) < 0.02
    assert reverse_validation(trial(**answer, source_features=lambda own: -own)) > 0.98


def test_pseudo_labelled_images_weigh_by_class_as_the_source_does():
    features, labels = sample(300, 1)
    weights = np.where(labels == 0, 3.0, 1.0)
    source = source_of((features, labels), sample(100, 2))
    skewed = type(source)(source.network, source.head, labelled(features, labels, weights), source.validation)
    given = pseudo_labelled(trial(lambda target: (target[:, 0] > 2.5).astype(int), skewed), images(sample(200, 5)[0]))
    own = np.bincount(labels, weights)
    found = np.bincount(given.labels, given.weights)
    assert found / found.sum() == pytest.approx(own / own.sum())
    assert given.weights.mean() == pytest.approx(1)


@pytest.mark.parametrize("name", sorted(CRITERIA))
def test_every_criterion_gives_a_number_for_every_kind_of_candidate(name):
    source, target, _ = shifted_source()
    settings = SETTINGS.model_copy(update={"epochs": 1})
    for method in ("coral", "mmd"):
        adapted = load(ADAPTATION[method].prepare)(source, settings)(images(target[:200]), 1.0, 5)
        assert np.isfinite(load(CRITERIA[name])(Trial(source, adapted, images(target[:200]), images(target[200:300]))))
