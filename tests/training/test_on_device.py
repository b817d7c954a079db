"""Loaders of an accelerator's memory give the batches of NumPy's; compiled steps learn what Keras' steps learn."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from pipeline.store.files import write_npy
from pipeline.training import on_device
from pipeline.training.augmentation import AUGMENTATIONS
from pipeline.training.batches import activation_loader, pixel_loader
from pipeline.training.on_device import DeviceCut, DeviceImages, cut_loader, images_loader

RNG = np.random.default_rng(0)
POSITIONS = np.array([3, 0, 2, 2, 1, 4, 0, 3])
# In a process of its own, since Keras takes its backend once: both ways train copies of one network on one epoch.
# They need nothing of what benchmarks/gpu.py is to do without.
TRAINS_ALIKE = """
import sys

sys.modules.update(dict.fromkeys(("tensorflow", "dvc", "great_expectations", "pydantic", "ruamel")))
import keras
import numpy as np

import pipeline.networks.freezing
import pipeline.networks.lite_weights
import pipeline.training.compile_cache
import pipeline.training.on_device
import pipeline.training.pooled
import pipeline.networks.inference as inference
from pipeline.networks.inference import device_predictor
from pipeline.training.batches import predict_now
from pipeline.training.compiled_steps import steps_of, train_epoch
from pipeline.training.fit import Plan, compile_model, keras_epoch, restarted_optimizer
from pipeline.training.tuning import TuningMethod

def network():
    inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False, kernel_regularizer=keras.regularizers.L2(1e-2))(inputs)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    return keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))

rng = np.random.default_rng(0)
batches = [
    (rng.normal(size=(8, 6, 6, 3)).astype("float32"), rng.integers(2, size=8), rng.uniform(0.5, 2, 8).astype("float32"))
    for _ in range(4)
]
rates, first = np.array([1e-2, 2e-2, 1e-2, 5e-3]), network()
plan, found = Plan(1e-2, 1, 1, 8, "constant", 0.0, 1e-2, 1, method=TuningMethod("l2_sp", l2_sp=0.1)), []
for way in ("keras", "compiled"):
    model = network()
    model.set_weights(first.get_weights())
    compile_model(model, plan)
    depth = np.arange(len(model.trainable_variables))
    restarted_optimizer(model, plan, depth).multipliers.assign(np.linspace(0, 1, len(depth)))
    for _ in range(2):  # a second epoch goes on from the first
        if way == "keras":
            loss = keras_epoch(model, iter(batches), rates, lambda count: None)
        else:
            loss = train_epoch(steps_of(model), batches, rates, lambda count: None)
    found.append((loss, model.get_weights(), [np.array(keras.ops.convert_to_numpy(v)) for v in
                  model.optimizer.variables]))
(loss, weights, state), (own_loss, own_weights, own_state) = found
np.testing.assert_allclose(own_loss, loss, rtol=1e-5)
for expected, value in zip(weights + state, own_weights + own_state, strict=True):
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6)
assert np.abs(own_weights[1] - first.get_weights()[1]).max() > 1e-3, "nothing was learnt"
images, everyone = batches[0][0], np.arange(8)
predicted = keras.ops.convert_to_numpy(device_predictor(model)(images))
np.testing.assert_allclose(predicted, model.predict_on_batch(images), rtol=1e-4, atol=1e-6)
inference.device_name = lambda: "gpu:0"
if keras.backend.backend() == "torch":
    import torch
    torch.compile = lambda graph, dynamic: graph  # on a CPU it would take minutes
for scale in (1, 2):  # validation sees the weights of the moment, and is compiled once
    model.set_weights([scale * weight for weight in own_weights])
    predicted = predict_now(model, lambda positions, which: images[positions], everyone)
    np.testing.assert_allclose(predicted, model.predict_on_batch(images), rtol=1e-4, atol=1e-6)
assert inference._kept_forward.cache_info().misses == 1
print("alike")
"""


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_images_on_a_device_are_those_of_numpy(tmp_path, augmentation, channels):
    images, rows = RNG.integers(0, 256, (9, 4, 4, channels), dtype=np.uint8), np.array([8, 1, 5, 2, 7])
    write_npy(tmp_path / "images.npy", images)
    which = np.resize(np.arange(len(AUGMENTATIONS[augmentation])), len(POSITIONS))
    expected = pixel_loader(tmp_path / "images.npy", rows, augmentation)(POSITIONS, which)
    found = DeviceImages(images, rows, augmentation)(POSITIONS, which)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert np.array_equal(np.asarray(found), expected)


def test_activations_on_a_device_are_those_of_numpy(tmp_path):
    cut, places = RNG.normal(size=(36, 2, 2, 3)).astype("float16"), RNG.permutation(40).reshape(5, 8) - 4
    write_npy(tmp_path / "cut.npy", cut)
    write_npy(tmp_path / "places.npy", np.maximum(places, -1).astype("int32"))
    which = np.array([np.flatnonzero(places[position] >= 0)[0] for position in POSITIONS])
    expected = activation_loader(tmp_path / "cut.npy", tmp_path / "places.npy")(POSITIONS, which)
    load = DeviceCut(cut, np.load(tmp_path / "places.npy"))
    assert np.array_equal(np.asarray(load(POSITIONS, which)), expected)
    assert np.array_equal(expected, cut[places[POSITIONS, which]].astype("float32"))
    with pytest.raises(RuntimeError, match="1 activations are not in the cache"):
        load(*(index[:1] for index in (places < 0).nonzero()))


def test_arrays_go_to_an_accelerator_that_has_room_and_never_to_a_cpu(tmp_path, monkeypatch):
    images, cut = tmp_path / "images.npy", tmp_path / "cut.npy"
    write_npy(images, np.zeros((4, 2, 2, 1), "uint8"))
    write_npy(cut, np.zeros((4, 2, 2, 3), "float16"))
    write_npy(tmp_path / "places.npy", np.arange(4, dtype="int32")[:, None])

    def kinds():
        loaders = images_loader(images, np.array([3, 1]), "mirror"), cut_loader(cut, tmp_path / "places.npy")
        return [isinstance(load, DeviceImages | DeviceCut) for load in loaders]

    assert kinds() == [False, False]
    monkeypatch.setattr(on_device, "device_name", lambda: "gpu:0")
    assert kinds() == [True, True]
    monkeypatch.setattr(on_device, "MOST_BYTES", 4 * 2 + 1)  # two images of 4 bytes are used
    assert kinds() == [True, False]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_compiled_steps_learn_what_keras_steps_learn(repository, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    places = [str(repository), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(filter(None, places))}
    done = subprocess.run([sys.executable, "-c", TRAINS_ALIKE], env=environment, capture_output=True, text=True)
    assert done.stdout == "alike\n", done.stderr[-3000:]
