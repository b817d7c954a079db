"""The losses against plain NumPy, the reversed gradient, and the trainings on a shift."""

import keras
import numpy as np
import pytest
from keras import ops
from synthetic import SETTINGS, accuracy, images, sample, shifted_source

from pipeline.adaptation import dann, deep_coral, mcc, mmd, pseudo_labels
from pipeline.adaptation.alignment import Pair, Trainer, rise, scaled
from pipeline.registry.adaptation import ADAPTATION
from pipeline.store.places import load


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype("float32") for shape in ((6, 4), (6, 4), (6, 3), (6, 3))]


@pytest.fixture(scope="module")
def pair(arrays):
    return Pair(*(ops.convert_to_tensor(array) for array in arrays), ops.convert_to_tensor(0.5))


def softmax(logits):
    exponents = np.exp(logits)
    return exponents / exponents.sum(1, keepdims=True)


def test_deep_coral(arrays, pair):
    source, target = (np.cov(array, rowvar=False) for array in arrays[:2])
    expected = sum((source[i, j] - target[i, j]) ** 2 for i in range(4) for j in range(4)) / (4 * 4**2)
    assert float(deep_coral.coral_loss(pair)) == pytest.approx(expected, rel=1e-5)


def test_mmd(arrays, pair):
    both = np.concatenate(arrays[:2])
    distances = np.array([[((a - b) ** 2).sum() for b in both] for a in both])
    width = distances.sum() / (12 * 11)
    expected = 0.0
    for factor in mmd.WIDTHS:
        kernel = np.exp(-distances / (factor * width))
        expected += kernel[:6, :6].mean() + kernel[6:, 6:].mean() - 2 * kernel[:6, 6:].mean()
    assert float(mmd.mmd_loss(pair)) == pytest.approx(expected / len(mmd.WIDTHS), rel=1e-4)
    assert float(mmd.mmd_loss(pair._replace(target=pair.source))) == pytest.approx(0, abs=1e-6)


def test_mcc(arrays, pair):
    predicted = softmax(arrays[3] / mcc.TEMPERATURE)
    weights = [1 + np.exp((row * np.log(row)).sum()) for row in predicted]
    confusion = np.zeros((3, 3))
    for row, weight in zip(predicted, weights, strict=True):
        confusion += weight * len(weights) / sum(weights) * np.outer(row, row)
    confusion /= confusion.sum(1, keepdims=True)
    expected = sum(confusion[i, j] for i in range(3) for j in range(3) if i != j) / 3
    assert float(mcc.confusion_loss(pair)) == pytest.approx(expected, rel=1e-4)
    sure = pair._replace(target_logits=ops.convert_to_tensor(1000 * np.eye(3, dtype="float32")[[0, 1, 2, 0, 1, 2]]))
    assert float(mcc.confusion_loss(sure)) == pytest.approx(0, abs=1e-6)


def test_pseudo_labels(arrays, pair):
    expected = -np.log(softmax(arrays[3]).max(1)).mean()
    assert float(pseudo_labels.pseudo_label_loss(pair)) == pytest.approx(expected, rel=1e-5)


def test_strength_weighs_a_loss(pair):
    assert float(scaled(mmd.mmd_loss)(pair)) == pytest.approx(0.5 * float(mmd.mmd_loss(pair)))


def test_the_gradient_is_reversed_and_the_value_is_not():
    """One step of plain descent on y = 3 x goes up instead, by rate x 3 x strength, on any backend."""
    x = np.array([[2.0]], "float32")
    assert float(dann.reverse_gradient(ops.convert_to_tensor(x), 0.5)[0, 0]) == 2.0
    moved = []
    for reverse in (False, True):
        inputs = keras.Input((1,))
        layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        value = layer(inputs)
        model = keras.Model(inputs, dann.reverse_gradient(value, 0.5) if reverse else value)
        model.compile(keras.optimizers.SGD(0.1), lambda true, predicted: 3 * predicted)
        model.train_on_batch(x, x)
        moved.append(float(ops.convert_to_numpy(layer.kernel)[0, 0]) - 1)
    assert moved == pytest.approx([-0.6, 0.3], rel=1e-5)


def test_the_discriminator_is_log_two_when_it_knows_nothing(pair):
    discriminator = dann.Discriminator(4)
    assert len(discriminator.trainable_variables) == 4  # known before the first batch, as the optimizer wants
    for variable in discriminator.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    assert float(discriminator(pair)) == pytest.approx(np.log(2), rel=1e-5)


def test_the_strength_rises_from_nothing():
    assert rise(0) == 0 and rise(1) == pytest.approx(1, abs=1e-3) and rise(0.2) < rise(0.4)


@pytest.fixture(scope="module")
def shift():
    return shifted_source()


@pytest.mark.parametrize("name", ["deep_coral", "mmd", "dann", "pseudo_labels", "mcc"])
def test_a_training_starts_afresh_and_heeds_its_strength(shift, name):
    source, target, _ = shift
    adapt = load(ADAPTATION[name].prepare)(source, SETTINGS.model_copy(update={"epochs": 2}))
    first, other, again = (
        adapt(images(target[:200]), strength, 5).predict(images(target[200:])) for strength in (1.0, 3.0, 1.0)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    np.testing.assert_allclose(first.sum(1), 1, atol=1e-12)


def test_an_earlier_adaptation_keeps_its_weights(shift):
    source, target, _ = shift
    adapt = mmd.prepare(source, SETTINGS.model_copy(update={"epochs": 1}))
    first = adapt(images(target[:200]), 1.0, 5)
    before = first.predict(images(target[200:]))
    adapt(images(target[:200]), 1.0, 6)
    np.testing.assert_array_equal(before, first.predict(images(target[200:])))


def test_aligning_restores_what_the_shift_took():
    """The same network without an alignment loss, then with one."""
    (source, _, _), (features, labels) = shifted_source(), sample(400, 3)
    target = (features + np.array([2.5, 1.0, 0.0])).astype("float32")
    nothing = Trainer(source, SETTINGS, lambda pair: 0.0 * pair.strength)
    plain = nothing.adapted(nothing.train(target[:200], 1.0, 5)).predict(images(target[200:]))
    aligned = mmd.prepare(source, SETTINGS)(images(target[:200]), 5.0, 5).predict(images(target[200:]))
    assert accuracy(plain, labels[200:]) < 0.85 < 0.95 < accuracy(aligned, labels[200:])
