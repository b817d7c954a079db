"""Pairs of views made in an accelerator's memory are those of the host; steps compiled as a whole learn the same."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from pipeline.pretraining.pairs import DevicePairs, HostPairs, device_crops, pair_loader
from pipeline.pretraining.views import crop, random_boxes
from pipeline.registry.pretraining import PRETRAINING
from pipeline.store.places import load
from pipeline.training import on_device
from pipeline.training.augmentation import AUGMENTATIONS

from .worlds import SETTINGS, task

ROWS, POSITIONS = np.array([8, 1, 5, 2, 7]), np.array([3, 0, 2, 2, 1, 4])
# In a process of its own, since Keras takes its backend once.
LEARNS_ALIKE = """
import sys
from pathlib import Path

import numpy as np

import pipeline.training.compiled_steps as compiled_steps
import pipeline.training.on_device as on_device
from pipeline.registry.pretraining import PRETRAINING
from pipeline.store.places import load
from tests.pretraining.worlds import task

for method in ("simclr", "vicreg"):
    found = []
    for device in ("cpu", "gpu:0"):
        compiled_steps.device_name = on_device.device_name = lambda: device
        made = task(Path(sys.argv[1]), method, epochs=2, learning_rate=1e-3)
        history = load(PRETRAINING[method].learn)(made).history
        found.append(([row["loss"] for row in history], made.backbone.get_weights()))
    (losses, weights), (own_losses, own_weights) = found
    np.testing.assert_allclose(own_losses, losses, rtol=1e-3)
    for expected, value in zip(weights, own_weights, strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-3)
print("alike", compiled_steps.steps_of.cache_info().misses)
"""


def images(channels: int, size: int = 24, count: int = 9) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, channels), dtype=np.uint8)


@pytest.mark.parametrize(("size", "channels", "smallest"), [(24, 1, 0.02), (24, 3, 0.3), (224, 1, 0.3), (33, 1, 1.0)])
def test_crops_are_pillows(size, channels, smallest):
    pixels = images(channels, size, 20)
    boxes = random_boxes(len(pixels), size, smallest, np.random.default_rng(1))
    boxes[0] = [0, 0, size, size]  # nothing is cut
    boxes[1, 2:] = size  # to the lower right corner
    found = np.asarray(device_crops(pixels, boxes))
    expected = np.stack([crop(image, box) for image, box in zip(pixels, boxes, strict=True)])
    assert found.dtype == "float32" and np.array_equal(found[0], pixels[0])
    apart = np.abs(found - expected)
    assert apart.max() <= 1 and (apart > 0).mean() < 1e-3  # noise: neighbouring pixels differ as much as can be


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_pairs_on_a_device_are_those_of_the_host(augmentation, channels):
    arguments = (images(channels), ROWS, SETTINGS["simclr"], augmentation)
    (expected, drawn), (found, own) = (
        (np.asarray(pairs(POSITIONS, rng)), rng.random())
        for pairs, rng in ((kind(*arguments), np.random.default_rng(2)) for kind in (HostPairs, DevicePairs))
    )
    assert found.shape == expected.shape == (12, 24, 24, 3) and found.dtype == expected.dtype == "float32"
    assert own == drawn  # both have drawn as much
    apart = np.abs(found - expected)
    assert apart.max() < 1.3 and (apart > 0.01).mean() < 1e-3  # a grey level, times the contrast


def test_rows_i_and_n_plus_i_are_views_of_one_image():
    whole = SETTINGS["simclr"].model_copy(update={"smallest_crop": 1.0, "brightness": 0.0})
    for kind in (HostPairs, DevicePairs):
        pixels = images(3)
        found = np.asarray(kind(pixels, ROWS, whole, "none")(POSITIONS, np.random.default_rng(0)))
        for row, position in enumerate(np.tile(POSITIONS, 2)):
            close = [np.corrcoef(found[row].ravel(), pixels[other].ravel())[0, 1] for other in ROWS]
            assert np.argmax(close) == position


def test_images_go_to_an_accelerator_that_has_room_and_never_to_a_cpu(tmp_path, monkeypatch):
    made = task(tmp_path, "simclr")
    arguments = (made.images, made.rows, made.settings, "flips")
    assert type(pair_loader(*arguments)) is HostPairs
    monkeypatch.setattr(on_device, "device_name", lambda: "gpu:0")
    assert type(pair_loader(*arguments)) is DevicePairs
    monkeypatch.setattr(on_device, "MOST_BYTES", 100)
    assert type(pair_loader(*arguments)) is HostPairs


@pytest.mark.parametrize("method", ["rotation", "simclr"])
def test_learning_from_a_device_is_learning_from_the_host(method, tmp_path, monkeypatch):
    losses = []
    for device in ("cpu", "gpu:0"):
        monkeypatch.setattr(on_device, "device_name", lambda device=device: device)
        learnt = load(PRETRAINING[method].learn)(task(tmp_path, method, epochs=2))
        losses.append([row["loss"] for row in learnt.history if row["loss"] is not None])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-6 if method == "rotation" else 1e-2)


@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.slow
def test_compiled_steps_learn_from_pairs_what_keras_steps_learn(repository, tmp_path, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    places = [str(repository), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(filter(None, places))}
    command = [sys.executable, "-c", LEARNS_ALIKE, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout == "alike 2\n", done.stderr[-3000:]
