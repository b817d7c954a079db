"""Large jobs by OpenVINO where it is installed: outputs of Keras' `predict`; without it, a stand-in takes its place."""

import sys
import types
from importlib.metadata import PackageNotFoundError
from unittest import mock

import joblib
import keras
import numpy as np
import pytest
import tiny_world
from spread_networks import pixels, pooled, pooled_tiny

from pipeline.networks import by_openvino, inference
from pipeline.networks.architectures import build_backbone
from pipeline.networks.heads import set_precision
from pipeline.networks.inference import predictor
from pipeline.store.errors import InputError
from pipeline.training.batches import predict_in_threads
from pipeline.training.pooled import pooling

IMAGES = 150  # two batches and a part


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return pooled_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def large(monkeypatch):
    """Every job is worth the conversion."""
    monkeypatch.setattr(inference, "LARGE", 1e-9)


# ---- with OpenVINO ---------------------------------------------------------------------------------------------------


@pytest.fixture
def real():
    if not by_openvino.openvino_version():  # it is the code that must import it first
        pytest.skip("the extra `openvino` is not installed")


@pytest.mark.usefixtures("real", "large")
@pytest.mark.parametrize("architecture", ["efficientnet_lite0", "cifar_resnet8", "resnet10_small", "MobileNetV2"])
def test_outputs_are_those_of_predict(architecture):
    network = pooled(architecture, 64)
    images = pixels(4, 64)
    expected = network.predict_on_batch(images)
    np.testing.assert_allclose(predictor(network, 4)(images), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.usefixtures("real", "large")
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads_gives_the_same_bytes_in_order(tiny, threads):
    images = pixels(IMAGES, tiny_world.SIZE)

    def found():
        call = predictor(tiny, IMAGES)
        return np.concatenate(list(predict_in_threads(call, lambda positions, _: images[positions], np.arange(IMAGES))))

    with joblib.parallel_config(n_jobs=1):
        expected = found()
    with joblib.parallel_config(n_jobs=threads):
        assert found().tobytes() == expected.tobytes()
    np.testing.assert_allclose(expected, tiny.predict(images, verbose=0), rtol=0, atol=1e-4)


@pytest.mark.usefixtures("real", "large")
def test_nothing_is_reported_to_its_makers(tiny):
    predictor(tiny, 1)(pixels(1, tiny_world.SIZE))
    from openvino.tools.ovc import telemetry_utils

    assert telemetry_utils.tm.__name__.endswith("telemetry_stub")


# ---- with a stand-in -------------------------------------------------------------------------------------------------


@pytest.fixture
def stand_in(monkeypatch):
    """A module `openvino` whose networks answer what `answer` says; a list of what it was asked to compile."""
    asked = []
    answer = mock.Mock()

    class Core:
        def compile_model(self, file, device, config):
            asked.append((device, config))
            return types.SimpleNamespace(create_infer_request=lambda: types.SimpleNamespace(infer=answer))

    monkeypatch.setitem(sys.modules, "openvino", types.SimpleNamespace(Core=Core))
    monkeypatch.setattr(by_openvino, "openvino_version", lambda: "1.2")
    monkeypatch.setattr(inference, "openvino_version", lambda: "1.2")
    return types.SimpleNamespace(asked=asked, answer=answer)


def test_a_small_job_is_not_converted(tiny, stand_in):
    predictor(tiny, 1)(pixels(1, tiny_world.SIZE))
    assert not stand_in.asked


def test_a_job_on_an_accelerator_is_not_converted(tiny, stand_in, large, monkeypatch):
    monkeypatch.setattr(inference, "device_name", lambda: "gpu:0")
    predictor(tiny, 1)(pixels(1, tiny_world.SIZE))
    assert not stand_in.asked


def test_networks_of_16_bits_and_without_a_count_of_flops_are_not_converted(tiny, stand_in, large, monkeypatch):
    backbone, policy = build_backbone("cifar_resnet8", 32, 1, None), keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        set_precision(backbone)
        predictor(pooling(backbone), 10**9)(pixels(1, 32))
    finally:
        keras.config.set_dtype_policy(policy)
    monkeypatch.setattr(inference, "forward_flops", mock.Mock(side_effect=ValueError))
    predictor(tiny, 10**9)(pixels(1, tiny_world.SIZE))
    assert not stand_in.asked


def test_outputs_that_are_not_finite_are_the_callers_to_judge(stand_in):
    import tensorflow as tf

    inputs = np.array([[0.0, 2.0]], "float32")
    expected = np.array([[np.inf, 0.5]], "float32")
    stand_in.answer.side_effect = lambda given: [expected]
    np.testing.assert_array_equal(by_openvino.by_openvino(tf.function(lambda x: 1 / x))(inputs), expected)


def test_a_folder_of_that_name_is_no_installation(monkeypatch, tmp_path):
    (tmp_path / "openvino").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(by_openvino, "version", mock.Mock(side_effect=PackageNotFoundError))
    assert by_openvino.openvino_version() == ""


def test_every_shape_is_compiled_once_for_a_cpu_in_32_bits(tiny, stand_in, large):
    images = pixels(3, tiny_world.SIZE)
    stand_in.answer.side_effect = lambda inputs: [tiny.predict_on_batch(inputs[0])]
    call = predictor(tiny, 3)
    for count in (3, 3, 2):
        np.testing.assert_array_equal(call(images[:count]), tiny.predict_on_batch(images[:count]))
    assert [device for device, _ in stand_in.asked] == ["CPU", "CPU"]
    assert all(config["INFERENCE_PRECISION_HINT"] == "f32" for _, config in stand_in.asked)


@pytest.mark.parametrize("off", [1.01, np.nan])
def test_other_outputs_than_those_of_tensorflow_are_refused(tiny, stand_in, large, off):
    stand_in.answer.side_effect = lambda inputs: [off * tiny.predict_on_batch(inputs[0])]
    with pytest.raises(InputError, match=r"OpenVINO 1.2 gives other outputs .* `pip uninstall openvino`"):
        predictor(tiny, 3)(pixels(3, tiny_world.SIZE))


def test_a_network_that_it_cannot_compute_is_refused(tiny, stand_in, large):
    stand_in.answer.side_effect = RuntimeError("no such\n operation")
    with pytest.raises(InputError, match=r"OpenVINO 1.2 cannot compute this network \(no such operation\). `pip unin"):
        predictor(tiny, 3)(pixels(3, tiny_world.SIZE))
