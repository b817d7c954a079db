"""rescale: scratch from random weights with the source's statistics, and the two questions that divide a gain."""

import keras
import numpy as np
import pytest
import tiny_world

from pipeline.arms.networks import ScratchNetwork
from pipeline.networks.saving import load_model
from pipeline.results.result import read_result
from pipeline.store.errors import ParamsError
from pipeline.store.files import read_json, read_parquet
from pipeline.store.paths import Paths

NAME = "statistics"
ENTRY = {"source": "tiny", "target": "defect", "baseline": "defect-tiny"}
PARTS = {
    "scaling": {"target": "defect", "arm": "rescaled/statistics", "against": "baselines/defect-tiny"},
    "features": {"target": "defect", "arm": "transfers/to-defect", "against": "rescaled/statistics"},
}


@pytest.fixture
def read(world_copy):
    """A finished run with a rescaled baseline and its questions in its params."""
    copied = world_copy()
    copied.raw["rescaled"] = {NAME: ENTRY}
    copied.raw["questions"] |= {name: question | {"part_of": "to-defect"} for name, question in PARTS.items()}
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


@pytest.mark.slow
def test_its_two_questions_divide_the_gain(read):
    tiny_world.run_cell(read.root, "split", "defect")  # the repeats of a new arm
    tiny_world.run_cell(read.root, "rescale", NAME)
    for question in PARTS:
        tiny_world.run_cell(read.root, "evaluate", question)
    paths = Paths(read.root)
    rescaled = paths.trained("rescaled", NAME).arm("rescaled")
    scratch = paths.trained("baselines", "defect-tiny").arm("scratch")
    assert {file.name for file in rescaled.folder.iterdir()} == {file.name for file in scratch.folder.iterdir()}
    assert not read_parquet(rescaled.predictions).equals(read_parquet(scratch.predictions))
    cost = read_json(rescaled.cost)["folds"][0]
    assert cost["train_images"] == read_json(scratch.cost)["folds"][0]["train_images"]
    scaling, features = (read_result(paths.question(question).result) for question in PARTS)
    whole = read_result(paths.question("to-defect").result)
    assert (scaling.kind, scaling.arm, scaling.against, scaling.part_of) == (
        "rescaled",
        "rescaled",
        "scratch",
        "to-defect",
    )
    assert (features.kind, features.arm, features.against) == ("transfer", "chosen", "rescaled")
    assert scaling.gain + features.gain == pytest.approx(whole.gain)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"baseline": "kind-tiny"}, r"rescaled\.statistics\.baseline: its target is 'kind', here it is 'defect'"),
        ({"source": "tinny"}, r"rescaled\.statistics\.source: no 'tinny'.*did you mean 'tiny'"),
    ],
)
def test_an_entry_that_does_not_match_its_baseline_is_refused(world, change, words, tmp_path):
    with pytest.raises(ParamsError, match=words):
        tiny_world.write_params(tmp_path, world.raw | {"rescaled": {NAME: ENTRY | change}})
