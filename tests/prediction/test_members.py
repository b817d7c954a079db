"""The networks of an arm reproduce what they predicted out of fold, from files by way of the decoder."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pipeline.config.loading import check_params
from pipeline.prediction.answer import decoder_for, predicted, read_task
from pipeline.prediction.ensemble import outputs
from pipeline.prediction.members import members_of, out_of_fold
from pipeline.prediction.pixels import chunks
from pipeline.prediction.recommended import Recommended
from pipeline.prediction.unlike import known
from pipeline.store.files import read_json, read_npy
from pipeline.store.paths import Paths

ARMS = {  # reference -> target, tolerance: tuned arms predicted from activations kept as float16
    "transfers/to-defect": ("defect", 2e-3),
    "transfers/to-kind": ("kind", 2e-3),
    "baselines/defect-tiny": ("defect", 1e-5),
    "baselines/defect-again": ("defect", 1e-5),
}
FAST = "baselines/defect-tiny"
SOME_SLOW = [pytest.param(arm, marks=() if arm == FAST else pytest.mark.slow) for arm in ARMS]


@pytest.fixture(scope="module")
def paths(world):
    return Paths(world.root)


@pytest.fixture(scope="module")
def params(world):
    return check_params(world.raw)


@pytest.fixture(scope="module")
def files(paths, tmp_path_factory):
    """The target's images as PNG files, by name; all of the dataset's, in its order."""
    folder = tmp_path_factory.mktemp("images")
    for row, pixels in enumerate(read_npy(paths.dataset("toy").images)):
        Image.fromarray(pixels[..., 0]).save(folder / f"{row:03d}.png")
    return {file.name: file for file in sorted(folder.iterdir())}


def decoded(params, paths, files, task):
    """All images in one chunk, with the ids of the miniature manifest in the place of hashes."""
    (chunk,) = chunks(files, decoder_for(params, paths, "defect"), task.size)
    return replace(chunk, contents=task.examples["image_id"].tolist())


@pytest.mark.parametrize("reference", SOME_SLOW)
def test_the_network_of_a_fold_reproduces_its_out_of_fold_predictions(params, paths, files, reference):
    _, members = members_of(params, paths, reference)
    target, tolerance = ARMS[reference]
    task = read_task(paths, Recommended(target, members, ""))
    pixels = decoded(params, paths, files, task).pixels
    expected = out_of_fold(members)
    assert [member.fold for member in members] == [0, 1, 2, 3]
    for member in members:
        rows = expected[expected["fold"] == member.fold]
        positions = rows["image_id"].str.removeprefix("id").astype(int).to_numpy()
        columns = [f"p_{name}" for name in task.classes]
        found = outputs(member, pixels[positions]).probabilities
        np.testing.assert_allclose(found, rows[columns].to_numpy("float64"), atol=tolerance)


def test_heads_and_tuned_networks_are_mixed_as_validation_chose_them(params, paths):
    arm, members = members_of(params, paths, "transfers/to-kind")
    assert arm == "chosen"
    for member in members:
        assert (member.backbone is not None) == (member.arm.folder.name == "head")
        costs = {
            name: read_json(paths.trained("transfers", "to-kind").arm(name).cost)["folds"][member.fold]
            for name in ("head", "tuned")
        }
        assert member.quality == max(cost["validation"]["balanced_accuracy"] for cost in costs.values())


@pytest.mark.slow
def test_images_of_the_target_are_predicted_by_the_networks_that_did_not_train_on_them(params, paths, files):
    _, members = members_of(params, paths, "baselines/defect-tiny")
    task = read_task(paths, Recommended("defect", members, ""))
    chunk = decoded(params, paths, files, task)
    alike = known(np.eye(12), np.eye(12))
    own, _ = predicted(task, members, members[0], alike, chunk, lambda count: None)
    columns = [f"p_{name}" for name in task.classes]
    means = out_of_fold(members).groupby("image_id")[columns].mean().loc[chunk.contents]
    np.testing.assert_allclose(own, means, atol=1e-5)
    new = replace(chunk, contents=["new"] * len(chunk.contents))
    mean, _ = predicted(task, members, members[0], alike, new, lambda count: None)
    every = [outputs(member, chunk.pixels).probabilities for member in members]
    np.testing.assert_allclose(mean, np.mean(every, axis=0), atol=1e-6)
    assert np.abs(mean - own).max() > 1e-3
