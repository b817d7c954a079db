"""source: the backbone with its card, and the refusal of a file that is not the pinned one."""

import keras
import numpy as np
import pytest
import tiny_world

from pipeline.store.errors import InputError
from pipeline.store.files import check_sealed, read_json
from pipeline.store.paths import Paths

IMAGES = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)).astype("float32")


def test_the_backbone_computes_what_the_file_does(world):
    source = Paths(world.root).source("tiny")
    check_sealed(source.folder)
    before, after = (keras.saving.load_model(path) for path in (world.root / "backbone.keras", source.backbone))
    np.testing.assert_array_equal(before.predict_on_batch(IMAGES), after.predict_on_batch(IMAGES))


def test_the_card_says_what_it_is_and_where_from(world):
    card = read_json(Paths(world.root).source("tiny").card)
    entry = world.raw["sources"]["tiny"]
    assert (card["architecture"], card["sha256"]) == (entry["architecture"], entry["sha256"])
    assert card["image_size"] == tiny_world.SIZE
    assert {"origin", "licence", "citation", "preprocessing", "parameters"} <= set(card)


def test_a_file_that_is_not_the_pinned_one_is_refused_and_nothing_is_written(world_copy):
    copy = world_copy()
    copy.raw["sources"]["second"] = copy.raw["sources"]["tiny"] | {"sha256": "0" * 64}
    tiny_world.write_params(copy.root, copy.raw)
    with pytest.raises(InputError, match="0000"):
        tiny_world.run_cell(copy.root, "source", "second")
    assert not Paths(copy.root).source("second").folder.exists()
    check_sealed(Paths(copy.root).source("tiny").folder)  # another cell's out is left alone


def test_random_weights_depend_on_the_sources_name_and_the_runs_seed(world_copy):
    copy = world_copy()
    for name in ("second", "third"):
        copy.raw["sources"][name] = {"architecture": "cifar_resnet8", "weights": "random"}
    tiny_world.write_params(copy.root, copy.raw)

    def kernel(name: str) -> np.ndarray:
        tiny_world.run_cell(copy.root, "source", name)
        return keras.saving.load_model(Paths(copy.root).source(name).backbone).get_layer("stem_conv").get_weights()[0]

    second, third, again = kernel("second"), kernel("third"), kernel("second")
    np.testing.assert_array_equal(second, again)
    assert not np.array_equal(second, third)
    copy.raw["run"]["seed"] += 1
    tiny_world.write_params(copy.root, copy.raw)
    assert not np.array_equal(second, kernel("second"))
    assert read_json(Paths(copy.root).source("second").card)["origin"] == "random weights"


def test_what_transfers_unfreeze_is_checked_before_anything_is_trained(world_copy):
    """Also of a transfer whose source is pretrained from this one; the network knows the names of its blocks."""
    copy = world_copy()
    copy.raw["transfers"]["to-defect"]["unfreeze"] = "block9"
    copy.raw["transfers"]["to-kind"] |= {"unfreeze": 7, "source": "round-defect"}
    tiny_world.write_params(copy.root, copy.raw)
    with pytest.raises(InputError) as caught:
        tiny_world.run_cell(copy.root, "source", "tiny")
    first, second = str(caught.value).splitlines()
    assert first.startswith("transfers.to-defect.unfreeze (transfer 'to-defect'): unfreeze is 'block9', which names no")
    assert (
        second.startswith("transfers.to-kind.unfreeze (transfer 'to-kind'): unfreeze is 7, but")
        and "3 blocks" in second
    )
