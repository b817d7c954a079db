"""A network as a function with constant weights: the features of Keras' `predict`, in any number of threads."""

import joblib
import numpy as np
import pytest
import tiny_world
from spread_networks import pixels, pooled, pooled_tiny

from pipeline.networks import inference
from pipeline.networks.inference import predictor
from pipeline.training.batches import predict, predict_in_threads

IMAGES = 150  # two batches and a part


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A network whose moving statistics are not the initial ones."""
    return pooled_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.mark.parametrize("architecture", ["efficientnet_lite0", "cifar_resnet8", "resnet10_small"])
def test_outputs_are_those_of_predict(architecture):
    network = pooled(architecture, 64)
    images = pixels(4, 64)
    expected = network.predict_on_batch(images)
    np.testing.assert_allclose(predictor(network)(images), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_weights_are_those_of_the_moment(tiny):
    images = pixels(3, tiny_world.SIZE)
    before = predictor(tiny)
    expected = before(images)
    weights = tiny.get_weights()
    try:
        tiny.set_weights([weight * 1.5 for weight in weights])
        np.testing.assert_array_equal(before(images), expected)
        assert np.abs(predictor(tiny)(images) - expected).max() > 0.1
    finally:
        tiny.set_weights(weights)


def test_on_tensorflow_a_network_in_training_is_predicted_by_keras_on_any_device(tiny, monkeypatch):
    for device in ("cpu", "gpu:0"):
        monkeypatch.setattr(inference, "device_name", lambda device=device: device)
        assert inference.present_predictor(tiny) == tiny.predict_on_batch


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads_gives_the_same_bytes_in_order(tiny, threads):
    images, call = pixels(IMAGES, tiny_world.SIZE), predictor(tiny)

    def load(positions, views):
        assert not views.any()
        return images[positions]

    positions = np.random.default_rng(2).permutation(IMAGES)
    expected = np.concatenate(list(predict(call, load, positions)))
    with joblib.parallel_config(n_jobs=threads):
        found = np.concatenate(list(predict_in_threads(call, load, positions)))
    assert found.tobytes() == expected.tobytes()
    np.testing.assert_allclose(found, tiny.predict(images[positions], verbose=0), rtol=0, atol=1e-4)
