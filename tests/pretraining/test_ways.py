"""Every pretraining method on images that it can learn from, and the contract of all."""

from dataclasses import replace
from unittest import mock

import keras
import numpy as np
import pytest

from pipeline.networks.flops import backward_flops, training_flops
from pipeline.networks.heads import build_head
from pipeline.networks.saving import save_model
from pipeline.pretraining import rotation
from pipeline.pretraining.rotation import turned_loader, turned_part
from pipeline.pretraining.task import PretrainResult, Task
from pipeline.pretraining.two_views import with_projection
from pipeline.registry.pretraining import PRETRAINING
from pipeline.store.errors import InputError
from pipeline.store.places import load
from pipeline.training.batches import pixel_loader

from .worlds import IMAGES, SETTINGS, task


def learn(made: Task, method: str) -> PretrainResult:
    learnt: PretrainResult = load(PRETRAINING[method].learn)(made)
    return learnt


def test_every_way_is_tested_here_with_the_settings_of_its_entry():
    assert {way: load(entry.settings) for way, entry in PRETRAINING.items()} == {
        way: type(settings) for way, settings in SETTINGS.items()
    }
    assert all(entry.citation for entry in PRETRAINING.values())


@pytest.mark.parametrize("method", sorted(PRETRAINING))
@pytest.mark.slow
def test_learning_is_recorded_and_the_same_twice(method, tmp_path):
    digests, histories = [], []
    for run in ("first", "second"):
        made = task(tmp_path, method, epochs=3)
        before = [np.array(weight) for weight in made.backbone.get_weights()]
        learnt = learn(made, method)
        save_model(made.backbone, tmp_path / f"{run}.keras")
        digests.append((tmp_path / f"{run}.keras").read_bytes())
        histories.append(learnt.history)
        moved = [not np.array_equal(a, b) for a, b in zip(before, made.backbone.get_weights(), strict=True)]
        assert all(moved), "a weight or a moving statistic stayed as it was"
    assert digests[0] == digests[1] and histories[0] == histories[1]
    last = histories[0][-1]
    assert last["epoch"] == 3
    assert last["loss"] < histories[0][-3]["loss"]
    passes = {"supervised": 32, "rotation": 4 * 36, "simclr": 2 * IMAGES, "vicreg": 2 * IMAGES}  # of 36 or 48 images
    assert last["images_seen"] == learnt.images_seen == 3 * passes[method]
    assert last["gflops"] == learnt.gflops >= learnt.images_seen * training_flops(made.backbone) / 1e9
    backward = learnt.images_seen * backward_flops(made.backbone) / 1e9  # and that of what stands on the backbone
    assert backward < last["backward_gflops"] == learnt.backward_gflops < 1.2 * backward
    assert {layer.momentum for layer in made.backbone.layers if hasattr(layer, "momentum")} == {0.8}


def test_supervised_learns_the_labels_and_keeps_the_last_epoch(tmp_path):
    made = task(tmp_path, "supervised", epochs=12)
    learnt = learn(made, "supervised")
    validation = np.flatnonzero(made.role == "validation")
    last = learnt.history[-1]
    assert last["val_balanced_accuracy"] > 0.9
    pooled = keras.Model(made.backbone.input, keras.layers.GlobalAveragePooling2D()(made.backbone.output))
    load = pixel_loader(made.images, made.rows, "none")
    probs = learnt.head.predict_on_batch(pooled.predict_on_batch(load(validation, 0 * validation)))
    classes = np.array(["barred", "plain"])  # alphabetical
    truth = made.labels[validation]
    assert probs.shape == (12, 2) and (classes[probs.argmax(1)] == truth).mean() > 0.9
    weight = np.where(truth == "barred", 2, 1)  # both classes weigh the same: there are half as many
    loss = -np.average(np.log(probs[np.arange(12), (truth == "plain").astype(int)]), weights=weight)
    assert loss == pytest.approx(last["val_loss"], rel=0.05)


def test_permuted_labels_leave_the_last_epoch_not_the_beginning(tmp_path):
    made = task(tmp_path, "supervised", permuted=True, epochs=6)
    initial = made.backbone.get_layer("block1_conv").get_weights()[0].copy()
    learnt = learn(made, "supervised")
    assert learnt.history[-1]["loss"] < learnt.history[1]["loss"]
    assert np.abs(made.backbone.get_layer("block1_conv").get_weights()[0] - initial).max() > 0.02


def test_rotation_finds_what_is_up_and_says_how_well(tmp_path):
    learnt = learn(task(tmp_path, "rotation", epochs=6), "rotation")
    assert learnt.pretext["chance"] == 0.25 and learnt.pretext["accuracy"] > 0.8
    assert learnt.head is None


def test_rotations_loss_is_the_cross_entropy_over_the_four_turns(tmp_path):
    made, heads = task(tmp_path, "rotation", epochs=2), []

    def kept(*arguments):
        heads.append(build_head(*arguments))
        return heads[-1]

    with mock.patch.object(rotation, "build_head", kept):
        learnt = learn(made, "rotation")
    total, validation = 0.0, np.flatnonzero(made.role == "validation")
    for row in made.rows[validation]:
        image = np.repeat(np.load(made.images)[row], 3, axis=-1).astype("float32")
        for turn in range(4):
            maps = made.backbone.predict_on_batch(np.rot90(image, turn)[None])
            total -= np.log(heads[0].predict_on_batch(maps.mean(axis=(1, 2)))[0, turn])
    assert learnt.history[-1]["val_loss"] == pytest.approx(total / (4 * len(validation)), rel=1e-4)


def test_rotation_turns_every_image_four_times(tmp_path):
    part = turned_part(np.array([3, 7]))
    assert part.labels.tolist() == [0, 1, 2, 3] * 2
    made = task(tmp_path, "rotation")
    plain = pixel_loader(made.images, made.rows, "none")(np.array([3, 7]), np.zeros(2, int))
    load = turned_loader(pixel_loader(made.images, made.rows, "dihedral"))
    for view, seen in enumerate((plain, plain[:, :, ::-1])):  # mirrored, then turned
        for position, image in enumerate(load(part.positions, np.full(8, view))):
            np.testing.assert_array_equal(image, np.rot90(seen[position // 4], position % 4))


def test_the_projection_is_apart(tmp_path):
    model = with_projection(task(tmp_path, "simclr").backbone, 6, 2)
    assert model.output_shape == (None, 6) and model.get_layer("hidden2_bn")


def test_a_loss_that_is_no_number_ends_it(tmp_path):
    made = task(tmp_path, "vicreg", learning_rate=1e30)
    with pytest.raises(InputError, match=r"loss of 'own' became (nan|inf).*learning rate 1e\+30"):
        learn(made, "vicreg")


def test_one_image_makes_no_pairs(tmp_path):
    with pytest.raises(InputError, match="one image"):
        learn(replace(task(tmp_path, "simclr"), rows=np.array([0])), "simclr")
