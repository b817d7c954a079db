"""CORAL in closed form: against SciPy, and on a shift that it must undo."""

import numpy as np
import pytest
import scipy.linalg
from synthetic import SETTINGS, accuracy, images, labelled, shifted_source

from pipeline.adaptation import coral
from pipeline.adaptation.choice import Parts, choose


def covariances(features=6, images=200):
    rng = np.random.default_rng(0)
    return [
        np.cov(rng.normal(size=(images, features)) @ rng.normal(size=(features, features)), rowvar=False) for _ in "ab"
    ]


def test_the_recolouring_is_the_papers():
    source, target = covariances()
    expected = np.linalg.inv(scipy.linalg.sqrtm(source)) @ scipy.linalg.sqrtm(target)
    np.testing.assert_allclose(coral.recolouring(source, target), expected.real, rtol=1e-8, atol=1e-10)


def test_recoloured_features_have_the_targets_covariance():
    rng = np.random.default_rng(1)
    own = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 5))
    _, target = covariances(5)
    recoloured = own @ coral.recolouring(np.cov(own, rowvar=False), target)
    np.testing.assert_allclose(np.cov(recoloured, rowvar=False), target, rtol=1e-9, atol=1e-10)
    assert not np.allclose(np.cov(own, rowvar=False), target, rtol=0.1)


def test_fewer_images_than_features_are_enough():
    features = np.random.default_rng(2).normal(size=(10, 40))
    assert np.linalg.eigvalsh(coral.shrunk_covariance(features)).min() > 0


def test_a_shift_is_undone_and_the_criterion_sees_it():
    """Bad without the method, good with it."""
    source, target, labels = shifted_source()
    fold = Parts(images(target[:200]), images(target[200:300]), images(target[300:]))
    settings = SETTINGS.model_copy(update={"methods": ["coral"]})
    (chosen,) = choose(source, [fold], settings, lambda fold, method: 1)
    assert accuracy(chosen.source_only, labels[300:]) < 0.7
    assert accuracy(chosen.adapted, labels[300:]) > 0.9
    assert chosen.candidates["chosen"].tolist() == [False, True]
    assert chosen.candidates["strength"].isna().all() and chosen.cost["strength"] is None
    assert chosen.cost["gflops"] == chosen.cost["gflops_chosen"] > chosen.cost["backward_gflops"] == 0


def test_a_linear_head_learns_and_gives_probabilities():
    from pipeline.adaptation.linear import fit_linear

    source, _, _ = shifted_source()
    predicted = fit_linear(source.train, source.validation).predict(source.validation.features)
    assert accuracy(predicted, source.validation.labels) > 0.9
    np.testing.assert_allclose(predicted.sum(1), 1, atol=1e-12)
    heavy = labelled(source.train.features, source.train.labels, 1 + 99 * (source.train.labels == 1))
    assert fit_linear(heavy, heavy).predict(source.validation.features)[:, 1].mean() > predicted[:, 1].mean()


def test_flops_grow_with_images_and_features():
    assert coral.flops(10, 100) == pytest.approx(2 * 100 * 100 * 2 + 24 * 1000)
