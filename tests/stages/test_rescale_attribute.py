"""The third reading: scratch once more from random weights with the source's statistics, and the gain in two parts."""

import keras
import numpy as np
import pytest
import tiny_world

from pipeline.arms.networks import ScratchNetwork
from pipeline.networks.saving import load_model
from pipeline.store.errors import ParamsError
from pipeline.store.files import check_sealed, read_json, read_parquet
from pipeline.store.paths import Paths

NAME = "statistics"
ENTRY = {"transfer": "to-defect", "source": "tiny", "target": "defect", "baseline": "defect-tiny"}


@pytest.fixture
def read(world_copy):
    """A finished run with a third reading in its params."""
    copied = world_copy()
    copied.raw["rescaled"] = {NAME: ENTRY}
    tiny_world.write_params(copied.root, copied.raw)
    return copied


def test_the_network_starts_from_the_sources_entries_with_the_head_of_scratch(world):
    baseline, source = world.raw["baselines"]["defect-tiny"], Paths(world.root).source("tiny").backbone
    made = [
        ScratchNetwork(baseline["architecture"], 32, 2, 0.9, baseline["sha256"], of).build(0.0, 0.0, seed=3).whole
        for of in (None, source)
    ]
    pretrained = load_model(source)
    for weight in pretrained.weights:
        layer, _, kind = weight.path.partition("/")
        scratch, rescaled = (keras.ops.convert_to_numpy(getattr(m.get_layer(layer), kind)) for m in made)
        assert np.array_equal(np.sort(rescaled.ravel()), np.sort(keras.ops.convert_to_numpy(weight).ravel()))
        assert np.ptp(rescaled) == 0 or not np.array_equal(rescaled, scratch)  # tiny's biases are all zero
    heads = [model.get_layer("head").get_weights() for model in made]
    assert all(np.array_equal(one, other) for one, other in zip(*heads, strict=True))


def test_the_gain_is_divided_and_reported(read):
    for stage in ("rescale", "attribute"):
        tiny_world.run_cell(read.root, stage, NAME)
    tiny_world.run_cell(read.root, "report", None)
    paths = Paths(read.root)
    rescaled, scratch = paths.arm("rescale", NAME), paths.arm("scratch", "defect-tiny")
    check_sealed(rescaled.folder)
    assert {file.name for file in rescaled.folder.iterdir()} == {file.name for file in scratch.folder.iterdir()}
    assert not read_parquet(rescaled.predictions).equals(read_parquet(scratch.predictions))
    cost = read_json(rescaled.cost)["folds"][0]
    assert cost["train_images"] == read_json(scratch.cost)["folds"][0]["train_images"]
    found, entry = read_json(paths.transfer(NAME).verdict), read_json(paths.report_metrics)["to-defect"]
    quality = {arm: values["balanced_accuracy"] for arm, values in entry["arms"].items()}
    assert set(quality) == {"head", "tuned", "rescaled", "scratch"}
    assert found["features"]["gain"] == pytest.approx(quality["tuned"] - quality["rescaled"])
    assert found["scaling"]["gain"] == pytest.approx(quality["rescaled"] - quality["scratch"])
    third = entry["third_reading"]
    assert third["rescaled"] == NAME and third["scaling"]["gain"] == found["scaling"]["gain"]
    assert third["scaling"]["gain"] + third["features"]["gain"] == pytest.approx(entry["gain"])
    for page in (paths.report_markdown, paths.report_html):
        text = page.read_text(encoding="utf-8")
        assert (
            "rescaled: scaling" in text
            and "over rescaled: features" in text
            and "Rescaled starts from random weights" in text
        )
    assert "rescale" in read_json(paths.report_cost)["to-defect"]
    assert NAME not in read_json(paths.report_metrics)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"baseline": "defect-again"}, r"rescaled\.statistics\.baseline: received 'defect-again'.*'defect-tiny'"),
        ({"source": "round-defect"}, r"rescaled\.statistics\.source"),
        ({"transfer": "to-defekt"}, r"no 'to-defekt' in transfers \(did you mean 'to-defect'\?\)"),
    ],
)
def test_an_entry_that_is_not_its_transfers_is_refused(world, change, words, tmp_path):
    with pytest.raises(ParamsError, match=words):
        tiny_world.write_params(tmp_path, world.raw | {"rescaled": {NAME: ENTRY | change}})


def test_two_readings_of_one_transfer_are_refused(world, tmp_path):
    with pytest.raises(ParamsError, match="more than one such entry"):
        tiny_world.write_params(tmp_path, world.raw | {"rescaled": {NAME: ENTRY, "again": ENTRY}})
