"""Backend and Keras' settings: what the code says, whatever a user's home and environment say."""

import importlib.util
import os
import subprocess
import sys

import joblib
import pytest

from pipeline.networks import device
from pipeline.networks.device import choose_backend
from pipeline.store.errors import InputError

SETTINGS = """
from pipeline.networks.device import use_device
use_device("auto")
import keras
import numpy as np
config = keras.config
print(config.image_data_format(), config.floatx(), config.epsilon(), config.backend(), keras.layers.Dense(1).dtype)
"""
OTHER = '{"image_data_format": "channels_first", "floatx": "float16", "epsilon": 0.5, "backend": "jax"}'


@pytest.mark.parametrize("text", [OTHER, '{"floatx": "float65"}'], ids=["other settings", "settings that nobody knows"])
@pytest.mark.slow
def test_keras_json_in_the_users_home_is_not_read(repository, tmp_path, text):
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(text)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KERAS")}
    done = subprocess.run(
        [sys.executable, "-c", SETTINGS],
        env=environment | {"PYTHONPATH": str(repository), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["channels_last", "float32", "1e-07", "tensorflow", "float32"], done.stderr
    assert (tmp_path / ".keras" / "keras.json").read_text() == text


@pytest.mark.parametrize("value", [None, ""])
def test_the_backend_is_tensorflow_where_none_is_named(monkeypatch, value):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if value is not None:
        monkeypatch.setenv("KERAS_BACKEND", value)
    choose_backend()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


@pytest.mark.parametrize("backend", ["theano", "TensorFlow", "numpy"])
def test_a_backend_that_cannot_train_is_refused(monkeypatch, backend):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    with pytest.raises(InputError, match=f"KERAS_BACKEND is '{backend}'.*allowed: tensorflow, jax, torch. Unset it"):
        choose_backend()


def test_a_backend_that_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))
    with pytest.raises(InputError, match=r"'torch'.*is not installed. Install it by `pip install torch`, or unset"):
        choose_backend()


@pytest.mark.parametrize(("value", "used"), [("0", "0"), ("false", "0"), ("1", "1"), ("", "1"), (None, "1")])
def test_onednn_is_on_unless_it_is_switched_off(monkeypatch, value, used):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    if value is not None:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", value)
    choose_backend()
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == used


@pytest.mark.parametrize(
    ("found", "precision", "refused"),
    [("cpu", "mixed_bfloat16", True), ("cpu", "float32", False), ("gpu:0", "mixed_bfloat16", False)],
)
def test_16_bits_are_for_a_gpu(monkeypatch, found, precision, refused):
    monkeypatch.setattr(device, "import_keras", lambda: None)
    monkeypatch.setattr(device, "device_name", lambda: found)
    if refused:
        with pytest.raises(InputError, match=f"run.precision is '{precision}', which is for a GPU.*Set .* to float32"):
            device.use_device("auto", precision)
    else:
        device.use_device("auto", precision)


@pytest.mark.parametrize("trains", [True, False])
def test_only_a_process_that_trains_nothing_predicts_on_all_cores(repository, trains):
    """TensorFlow runs the calls of all threads on one pool; a training must have one thread."""
    code = f"""
from pipeline.networks.device import use_device
use_device("cpu", trains={trains})
import tensorflow as tf
print(tf.config.threading.get_inter_op_parallelism_threads(), tf.config.threading.get_intra_op_parallelism_threads())
"""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(repository), "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1" if trains else str(joblib.cpu_count()), "1"]
