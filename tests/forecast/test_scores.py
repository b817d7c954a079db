"""Every score against an independent computation, and on features that know the labels against some that do not."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.metrics import balanced_accuracy_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from pipeline.forecast.gbc import gbc
from pipeline.forecast.h_score import h_score
from pipeline.forecast.leep import leep, log_expected
from pipeline.forecast.logme import log_evidence, logme
from pipeline.forecast.neighbours import NEIGHBOURS, nearest_neighbours
from pipeline.forecast.nleep import COMPONENTS_A_CLASS, VARIANCE_KEPT, nleep
from pipeline.forecast.score_inputs import ScoreInputs, one_hot, standardised
from pipeline.forecast.scores import SCORES

CLASSES = 3


def world(images=60, features=8, signal=1.0, seed=0, classes=CLASSES):
    """Features whose first `classes` columns are shifted by `signal` where the class is theirs, and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(images) % classes)
    drawn = rng.normal(size=(images, features))
    drawn[:, :classes] += signal * one_hot(labels, classes)
    outputs = np.exp(drawn[:, :4])
    inputs = ScoreInputs(
        standardised(drawn), np.arange(images) // 2, outputs / outputs.sum(1, keepdims=True), classes, seed=3
    )
    return inputs, labels


def test_logme_is_the_highest_gaussian_evidence_over_a_grid():
    inputs, labels = world(images=24, features=5)
    f, y = inputs.features, one_hot(labels, CLASSES)[:, 0] - np.mean(labels == 0)
    u, s, _ = np.linalg.svd(f, full_matrices=False)
    found = log_evidence(u, s**2, y)
    best = max(
        multivariate_normal(np.zeros(len(y)), f @ f.T / alpha + np.eye(len(y)) / beta).logpdf(y)
        for alpha, beta in itertools.product(np.geomspace(0.3, 1e4, 90), np.geomspace(0.5, 50, 90))
    )
    assert found == pytest.approx(best, abs=2e-2) and found >= best - 1e-6


@pytest.mark.parametrize("features", [5, 40])
def test_logme_averages_the_evidence_per_image_of_every_class_also_with_more_features_than_images(features):
    inputs, labels = world(images=24, features=features)
    u, s, _ = np.linalg.svd(inputs.features, full_matrices=False)
    y = one_hot(labels, CLASSES)
    each = [log_evidence(u, s**2, column - column.mean()) / 24 for column in y.T]
    assert np.isfinite(each).all()
    assert logme(inputs)(labels) == pytest.approx(np.mean(each))


def test_h_score_is_the_trace_that_its_definition_names():
    inputs, labels = world()
    fitted = LedoitWolf(assume_centered=True).fit(inputs.features)
    means = np.stack([inputs.features[labels == c].mean(0) for c in labels])
    between = means.T @ means / len(labels)
    expected = np.trace(np.linalg.inv(fitted.covariance_) @ between)
    assert h_score(inputs)(labels) == pytest.approx(expected)


def test_leep_is_its_definition_in_loops():
    inputs, labels = world(images=20)
    theta, n = inputs.outputs, len(labels)
    total = 0.0
    for i in range(n):
        p = 0.0
        for z in range(theta.shape[1]):
            joint = sum(theta[j, z] for j in range(n) if labels[j] == labels[i]) / n
            p += theta[i, z] * joint / (sum(theta[j, z] for j in range(n)) / n)
        total += np.log(p)
    assert leep(inputs)(labels) == pytest.approx(total / n)


def test_leep_of_a_head_that_knows_the_labels_is_0_and_of_one_that_says_nothing_minus_their_entropy():
    labels = np.arange(30) % CLASSES
    assert log_expected(one_hot(labels, CLASSES), CLASSES)(labels) == pytest.approx(0)
    assert log_expected(np.full((30, 4), 0.25), CLASSES)(labels) == pytest.approx(-np.log(CLASSES))


def test_leep_is_not_of_a_source_without_a_head():
    inputs, _ = world()
    assert leep(ScoreInputs(inputs.features, inputs.groups, None, CLASSES, 0)) is None


def test_nleep_of_clusters_that_are_the_classes_is_0():
    rng = np.random.default_rng(0)
    labels = np.arange(90) % CLASSES
    features = standardised(np.eye(CLASSES)[labels] * 40 + rng.normal(size=(90, CLASSES)))
    assert nleep(ScoreInputs(features, np.arange(90), None, CLASSES, 0))(labels) == pytest.approx(0, abs=1e-6)


def test_nleep_is_leep_by_the_responsibilities_of_a_mixture_in_loops():
    inputs, labels = world(images=90, signal=3.0)
    reduced = PCA(VARIANCE_KEPT, svd_solver="full").fit_transform(inputs.features)
    assert 1 < reduced.shape[1] < inputs.features.shape[1]
    mixture = GaussianMixture(
        COMPONENTS_A_CLASS * CLASSES,
        covariance_type="diag",
        init_params="k-means++",
        max_iter=200,
        tol=1e-2,
        random_state=inputs.seed,
    ).fit(reduced)
    parts = zip(mixture.weights_, mixture.means_, mixture.covariances_, strict=True)
    density = [weight * multivariate_normal(mean, np.diag(spread)).pdf(reduced) for weight, mean, spread in parts]
    theta = np.transpose(density) / np.sum(density, axis=0)[:, None]
    total = 0.0
    for i, label in enumerate(labels):
        conditional = [theta[labels == label, z].sum() / theta[:, z].sum() for z in range(theta.shape[1])]
        total += np.log(sum(p * share for p, share in zip(theta[i], conditional, strict=True)))
    assert nleep(inputs)(labels) == pytest.approx(total / len(labels))


def test_gbc_of_two_gaussians_on_a_line_is_the_integral_of_the_root_of_their_product():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 40)
    drawn = standardised(rng.normal([0.0] * 40 + [2.0] * 40, [1.0] * 40 + [0.5] * 40)[:, None])
    of = [norm(drawn[labels == c].mean(), drawn[labels == c].std()) for c in (0, 1)]
    overlap = quad(lambda x: np.sqrt(of[0].pdf(x) * of[1].pdf(x)), -8, 8)[0]
    found = gbc(ScoreInputs(drawn, np.arange(80), None, 2, 0))(labels)
    assert found == pytest.approx(-2 * overlap, rel=1e-6)


def test_neighbours_are_those_of_other_groups():
    inputs, labels = world(images=40)
    predicted = np.zeros(40, "int64")
    for i in range(40):
        others = np.flatnonzero(inputs.groups != inputs.groups[i])
        near = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(inputs.features[others])
        votes = labels[others[near.kneighbors(inputs.features[[i]], return_distance=False)[0]]]
        predicted[i] = np.argmax([(votes == c).sum() / (labels == c).sum() for c in range(CLASSES)])
    assert nearest_neighbours(inputs)(labels) == pytest.approx(balanced_accuracy_score(labels, predicted))


def test_there_is_no_vote_of_neighbours_where_one_group_has_nearly_all():
    inputs, _ = world(images=20)
    groups = np.array([0] * 17 + [1, 2, 3])
    assert nearest_neighbours(ScoreInputs(inputs.features, groups, None, CLASSES, 0)) is None


@pytest.mark.parametrize("name", SCORES)
def test_more_signal_scores_higher(name):
    scores = []
    for signal in (0.0, 4.0):
        inputs, labels = world(images=120, signal=signal)
        scores.append(SCORES[name](inputs)(labels))
    assert scores[0] < scores[1]


@pytest.mark.parametrize("name", sorted(set(SCORES) - {"nleep"}))  # its mixture begins with images drawn by position
@given(seed=st.integers(0, 10_000))
def test_the_order_of_images_and_the_names_of_classes_do_not_matter(name, seed):
    inputs, labels = world(images=30, seed=seed % 7)
    rng = np.random.default_rng(seed)
    order, renamed = rng.permutation(30), rng.permutation(CLASSES)
    moved = ScoreInputs(inputs.features[order], inputs.groups[order], inputs.outputs[order], CLASSES, 3)
    expected, relabelled = SCORES[name](inputs)(labels), SCORES[name](moved)(labels[order])
    assert relabelled == pytest.approx(expected, rel=1e-6)
    if name != "knn":  # which takes the first of equal classes
        assert SCORES[name](inputs)(renamed[labels]) == pytest.approx(expected, rel=1e-6)


def test_standardised_features_that_are_constant_become_nothing():
    drawn = np.random.default_rng(0).normal(size=(50, 3)) * [1, 1e-20, 0] + [5, 1e-3, 7]
    found = standardised(drawn.astype("float32"))
    assert found[:, 0].std() == pytest.approx(1) and not found[:, 1:].any()
