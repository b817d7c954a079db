"""Random weights with a source's statistics: every tensor holds the source's entries, shuffled."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.networks.architectures import build_backbone
from pipeline.networks.rescaling import shuffle_weights, shuffled


def pretrained(seed):
    """A backbone whose tensors all have a spread, as trained ones do; variances and scales above zero."""
    model, rng = build_backbone("cifar_resnet8", 32, seed=seed), np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.1, 2, weight.shape).astype("float32") for weight in model.get_weights()])
    return model


@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_a_permutation_keeps_every_entry(shape, seed):
    values = np.random.default_rng(1).normal(size=shape).astype("float32")
    found = shuffled(values, seed)
    assert (found.shape, found.dtype) == (values.shape, values.dtype)
    assert np.array_equal(np.sort(found.ravel()), np.sort(values.ravel()))


def test_every_tensor_has_the_sources_mean_and_variance_and_none_its_order():
    source = pretrained(3)
    network = build_backbone("cifar_resnet8", 32, seed=4)
    shuffle_weights(network, source, seed=5)
    for mine, theirs in zip(network.get_weights(), source.get_weights(), strict=True):
        assert mine.mean() == pytest.approx(theirs.mean(), rel=1e-5)
        assert mine.var() == pytest.approx(theirs.var(), rel=1e-4)
        if mine.size > 1:
            assert abs(np.corrcoef(mine.ravel(), theirs.ravel())[0, 1]) < (1 if mine.size < 50 else 0.5)
    variances = [w for w in network.weights if w.path.endswith("moving_variance")]
    assert variances and all(keras.ops.convert_to_numpy(w).min() > 0 for w in variances)


def test_the_seed_decides_the_order():
    source = pretrained(3)
    found = []
    for seed in (5, 5, 6):
        network = build_backbone("cifar_resnet8", 32, seed=4)
        shuffle_weights(network, source, seed)
        found.append(network.get_weights()[0])
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])


def test_normalization_statistics_stay():
    def made(mean):
        image = keras.Input((8, 8, 3))
        x = keras.layers.Normalization(mean=None, name="scale")(image)
        model = keras.Model(image, keras.layers.Conv2D(2, 3, name="conv")(x))
        model.get_layer("scale").adapt(np.random.default_rng(0).normal(mean, 1, (16, 8, 8, 3)))
        return model

    network, source = made(0.0), made(9.0)
    before = [keras.ops.convert_to_numpy(w) for w in network.get_layer("scale").weights]
    shuffle_weights(network, source, seed=1)
    after = [keras.ops.convert_to_numpy(w) for w in network.get_layer("scale").weights]
    assert all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))
    kernel = [keras.ops.convert_to_numpy(model.get_layer("conv").kernel) for model in (network, source)]
    assert np.array_equal(*(np.sort(k.ravel()) for k in kernel)) and not np.array_equal(*kernel)


def test_another_architecture_is_refused():
    with pytest.raises(ValueError, match="do not have the same weights"):
        shuffle_weights(build_backbone("cifar_resnet8", 32, 1), build_backbone("cifar_resnet14", 32, 1), seed=1)
