"""AdaBN: statistics against plain NumPy; what is lent is given back."""

import keras
import numpy as np
import pytest
from synthetic import SETTINGS, labelled

from pipeline.adaptation import adabn
from pipeline.adaptation.problem import Images, Source
from pipeline.networks.heads import build_head
from pipeline.store.errors import InputError
from pipeline.training.pooled import pooling


def network(normalise=True):
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    x = image
    for name in "ab":
        x = keras.layers.Conv2D(4, 3, name=f"{name}_conv")(x)
        if normalise:
            x = keras.layers.BatchNormalization(name=f"{name}_bn")(x)
        x = keras.layers.ReLU()(keras.layers.Dropout(0.5)(x))
    model = keras.Model(image, x)
    model.trainable = False  # as a loaded source may be
    return pooling(model)


@pytest.fixture(scope="module")
def images():
    pixels = np.random.default_rng(0).uniform(0, 4, (20, 8, 8, 3)).astype("float32")
    return Images(np.zeros((20, 4)), lambda positions, views: pixels[positions], np.arange(20))


def before(model, name, pixels):
    """What enters a layer."""
    return keras.Model(model.input, model.get_layer(name).output)(pixels)


def test_statistics_are_the_mean_and_variance_of_what_enters(images):
    """Over batches of unequal size in the first layer; in the second over one batch, normalised by itself."""
    model = network()
    pixels = images.load(images.positions, images.positions)
    entering = np.asarray(before(model, "a_conv", pixels))
    for batch in (8, 20):
        mean, variance = adabn.estimate(model, images, batch)[0]
        np.testing.assert_allclose(mean, entering.mean((0, 1, 2)), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(variance, entering.var((0, 1, 2)), rtol=1e-3)
    found = adabn.estimate(model, images, 20)
    adabn.set_statistics(model, found)
    second = np.asarray(before(model, "b_conv", pixels))
    np.testing.assert_allclose(found[1][0], second.mean((0, 1, 2)), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found[1][1], second.var((0, 1, 2)), rtol=1e-3)


def test_the_network_keeps_what_it_had(images):
    model = network()
    weights, layer = model.get_weights(), model.get_layer("a_bn")
    adabn.estimate(model, images, 8)
    for one, other in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (layer.momentum, layer.trainable) == (0.99, False)
    assert next(layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)) == 0.5


def test_a_change_of_exposure_is_undone(images):
    """The source's statistics are taken from the same images in another light: adapted, the answers are the same."""
    model, head = network(), build_head(4, 2, 0.0, 0.0)
    adabn.set_statistics(model, adabn.estimate(model, images, 20))
    nothing = labelled(np.zeros((2, 4)), np.array([0, 1]))
    adapt = adabn.prepare(Source(model, head, nothing, nothing), SETTINGS)
    lit = Images(images.features, lambda positions, views: 3 * images.load(positions, views), images.positions)
    expected = head.predict(model.predict(images.load(images.positions, images.positions), verbose=0), verbose=0)
    dazzled = head.predict(model.predict(lit.load(lit.positions, lit.positions), verbose=0), verbose=0)
    np.testing.assert_allclose(adapt(lit, np.nan, 0).predict(lit), expected, atol=1e-3)
    assert np.abs(dazzled - expected).max() > 0.05


def test_a_network_without_batch_normalisation_is_refused():
    nothing = labelled(np.zeros((2, 4)), np.array([0, 1]))
    with pytest.raises(InputError, match=r"adapt\.methods has adabn"):
        adabn.prepare(Source(network(False), build_head(4, 2, 0.0, 0.0), nothing, nothing), SETTINGS)
