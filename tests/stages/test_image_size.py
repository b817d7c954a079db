"""A target may have smaller images than its dataset: every stage takes them, and networks of another size fit."""

import json

import keras
import numpy as np
import pytest
import tiny_world
from PIL import Image

from pipeline.config.loading import check_params
from pipeline.store.errors import ParamsError
from pipeline.store.files import read_json, read_npy, read_parquet, seal, write_npy
from pipeline.store.paths import Paths
from pipeline.training.folds import images_of

LARGE, SMALL = 64, 32


@pytest.fixture
def large(world_copy, world):
    """The run in miniature with stored images of 64 pixels, and one target of 32."""
    small = {"defect": world.raw["targets"]["defect"] | {"image_size": SMALL}}
    copy = world_copy(targets=small, datasets={"toy": world.raw["datasets"]["toy"] | {"image_size": LARGE}})
    files = Paths(copy.root).dataset("toy")
    write_npy(files.images, np.kron(read_npy(files.images), np.ones((1, 2, 2, 1), np.uint8)))
    card = read_json(files.card) | {"image_size": LARGE}
    files.card.write_text(json.dumps(card))
    (files.folder / "sha256.json").unlink()
    seal(files.folder)
    tiny_world.run_cells(copy.root, "split")
    return copy.root


def test_a_target_s_own_images_are_the_dataset_s_made_smaller(large):
    paths = Paths(large)
    own, stored = read_npy(images_of(paths, "defect")), read_npy(paths.dataset("toy").images)
    assert own.shape == (len(stored), SMALL, SMALL, 1) and own.dtype == np.uint8
    expected = Image.fromarray(stored[5, ..., 0]).resize((SMALL, SMALL), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(own[5, ..., 0], np.asarray(expected))
    assert images_of(paths, "kind") == paths.dataset("toy").images
    assert not paths.target("kind").resized.exists()


def test_rows_refer_to_the_same_images_at_both_sizes(large, world):
    before, after = (read_parquet(Paths(root).target("defect").examples) for root in (world.root, large))
    assert before.equals(after)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "baseline", "size"), [("defect", "defect-tiny", SMALL), ("kind", "kind-tiny", LARGE)])
def test_every_network_of_a_question_has_the_target_s_size(large, name, baseline, size):
    tiny_world.run_cells(large, "extract", "forecast", "head", "tune", only=f"to-{name}")
    tiny_world.run_cell(large, "scratch", baseline)
    paths = Paths(large)
    for kind, entry, arm in (("transfers", f"to-{name}", "tuned"), ("baselines", baseline, "scratch")):
        model = keras.saving.load_model(paths.trained(kind, entry).arm(arm).model(0))
        assert model.input_shape[1:3] == (size, size)
    examples = read_parquet(paths.target(name).examples)
    assert len(read_npy(paths.features(f"to-{name}").pooled)) == len(examples)
    tiny_world.run_cell(large, "evaluate", f"to-{name}")


def test_pretraining_takes_an_init_of_another_size(large):
    tiny_world.run_cell(large, "pretrain", "round-defect")
    files = Paths(large).source("round-defect")
    assert keras.saving.load_model(files.backbone).input_shape[1:3] == (LARGE, LARGE)
    assert read_json(files.card)["image_size"] == LARGE


def faults(raw, **sections):
    changed = {section: raw[section] | changes for section, changes in sections.items()}
    with pytest.raises(ParamsError) as error:
        check_params(raw | changed)
    return str(error.value)


def test_a_target_larger_than_its_dataset_is_refused(world):
    larger = {"defect": world.raw["targets"]["defect"] | {"image_size": 48}}
    text = faults(world.raw, targets=larger)
    assert "targets.defect.image_size: received 48, but the images of dataset 'toy' are stored at 32; raise" in text


def test_an_adaptation_between_two_sizes_is_refused(world):
    smaller = {"square-defect": world.raw["targets"]["square-defect"] | {"image_size": 32}}
    text = faults(world.raw, targets=smaller, datasets={"toy": world.raw["datasets"]["toy"] | {"image_size": 64}})
    assert "adaptations.round-to-square.target: its images have 32 pixels a side, those that source 'round-def" in text
