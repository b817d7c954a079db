"""Collapsed encoders are detected, others are not."""

import keras
import numpy as np
import pytest

from pipeline.pretraining.representation import (
    Representation,
    check_not_collapsed,
    effective_rank,
    represent,
)
from pipeline.registry.pretraining import PRETRAINING
from pipeline.store.errors import InputError
from pipeline.training.batches import pixel_loader
from pipeline.training.pooled import pooled_features, pooling

from .worlds import IMAGES, SIZE, backbone, task


def test_effective_rank_counts_equal_directions():
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(400, 8)))[0]
    directions -= directions.mean(axis=0)
    assert effective_rank(directions) == pytest.approx(8, rel=0.01)
    assert effective_rank(directions[:, :2] @ rng.normal(size=(2, 8))) < 2.001
    assert effective_rank(np.outer(rng.normal(size=50), rng.normal(size=8))) == pytest.approx(1)


def test_effective_rank_of_two_unequal_directions_by_hand():
    x = np.array([[3.0, 0], [-3, 0], [0, 1], [0, -1]])  # eigenvalues 9 : 1
    assert effective_rank(x + 100) == pytest.approx(np.exp(-(0.9 * np.log(0.9) + 0.1 * np.log(0.1))))


def test_a_constant_has_rank_and_variance_0_also_in_float32():
    noise = np.random.default_rng(1).normal(size=(60, 8)) * 1e-7
    found = represent((np.full((60, 8), 3.7) + noise).astype("float32"))
    assert found.rank == 0 and found.variance < 1e-6


def test_variance_does_not_depend_on_the_length_of_features():
    features = np.random.default_rng(2).normal(size=(2000, 16))
    lengths = np.random.default_rng(3).uniform(0.1, 9, (2000, 1))
    assert represent(features).variance == pytest.approx(0.25, rel=0.01)  # 1 / sqrt(16)
    assert represent(features * lengths).variance == pytest.approx(represent(features).variance)


def constant_encoder() -> keras.Model:
    model = backbone()
    kernel, bias = model.get_layer("block2_conv").get_weights()
    model.get_layer("block2_conv").set_weights([0 * kernel, bias + 1])
    return model


def test_a_constant_encoder_is_refused_with_its_figures(tmp_path):
    load = pixel_loader(task(tmp_path, "simclr").images, np.arange(IMAGES), "none")
    alive, dead = (
        represent(pooled_features(pooling(m), load, np.arange(IMAGES))) for m in (backbone(), constant_encoder())
    )
    check_not_collapsed(alive, 1.0, "own")
    with pytest.raises(InputError, match=r"'own' collapsed.*effective rank 0 .*standard deviation \d.*no model"):
        check_not_collapsed(dead, 0.0, "own")


@pytest.mark.parametrize(
    "found", [Representation(1.01, 0.05), Representation(9.0, 1e-6), Representation(9.0, float("nan"))]
)
def test_too_few_directions_too_little_variance_and_nan_are_refused(found):
    with pytest.raises(InputError, match="collapsed"):
        check_not_collapsed(found, 1.2, "own")


@pytest.mark.parametrize("method", sorted(PRETRAINING))
def test_one_direction_is_enough_for_two_classes_and_for_nothing_else(method):
    one = represent(np.outer(np.random.default_rng(0).normal(size=50), np.random.default_rng(1).normal(size=8)))
    assert one.rank == pytest.approx(1) and one.variance > 0.1
    if method == "supervised":
        check_not_collapsed(one, PRETRAINING[method].least_rank, "own")
    else:
        with pytest.raises(InputError, match="collapsed"):
            check_not_collapsed(one, PRETRAINING[method].least_rank, "own")


def test_pooled_features_are_the_mean_over_space(tmp_path):
    model, images = backbone(), task(tmp_path, "simclr").images
    found = pooled_features(pooling(model), pixel_loader(images, np.arange(IMAGES), "none"), np.array([5, 2]))
    pixels = np.repeat(np.load(images)[[5, 2]], 3, axis=-1).astype("float32")
    assert pixels.shape == (2, SIZE, SIZE, 3)
    np.testing.assert_allclose(found, model.predict_on_batch(pixels).mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)
