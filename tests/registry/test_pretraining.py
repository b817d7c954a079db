"""A registered pretraining method is accepted by params with its settings, listed in messages, and trains sources."""

import numpy as np
import pytest
import tiny_world

from pipeline.config.loading import check_params
from pipeline.config.schema import Count
from pipeline.networks.saving import load_model
from pipeline.pretraining.settings import PretrainFitting
from pipeline.pretraining.task import PretrainResult, Task
from pipeline.registry.pretraining import PRETRAINING, PretrainingEntry
from pipeline.store.files import read_json, read_parquet
from pipeline.store.paths import Paths

from .asking import params, refusal


class Halving(PretrainFitting):
    halvings: Count


def learn_by_halving(task: Task) -> PretrainResult:
    """Halve the first kernel."""
    layer = task.backbone.get_layer("stem_conv")
    factor = 0.5**task.settings.halvings
    layer.set_weights([weight * factor for weight in layer.get_weights()])
    counts = {"images_seen": len(task.rows), "gflops": 1.0, "backward_gflops": 0.5}
    return PretrainResult([{"epoch": 1, "loss": 0.0, **counts}])


SETTINGS = {**tiny_world.PRETRAIN, "halvings": 2}
ENTRY = {"pretrain": "halving", "init": "tiny", "dataset": "toy"}


@pytest.fixture(autouse=True)
def halving(monkeypatch):
    entry = PretrainingEntry(f"{__name__}:learn_by_halving", f"{__name__}:Halving", "nobody", least_rank=0.0)
    monkeypatch.setitem(PRETRAINING, "halving", entry)


def test_params_accept_it_and_check_its_settings():
    raw = params()
    raw["pretrained"]["halved"] = dict(ENTRY)
    raw["pretraining"]["halving"] = SETTINGS
    assert check_params(raw).pretraining.halving == Halving(**SETTINGS)
    raw["pretraining"]["halving"] = SETTINGS | {"halving": 2}
    fault = refusal(raw)
    assert fault.startswith("pretraining.halving.halving: unknown key (did you mean 'halvings'?); allowed: ")
    assert fault.endswith(", halvings")
    raw["pretraining"]["halving"] = SETTINGS | {"halvings": 0}
    assert refusal(raw).startswith("pretraining.halving.halvings: input should be greater than or equal to 1")


def test_a_way_that_a_source_learns_by_needs_settings_and_no_other_does():
    raw = params()
    raw["pretraining"] = {"supervised": raw["pretraining"]["supervised"]}
    check_params(raw)
    raw["pretrained"]["halved"] = dict(ENTRY)
    assert refusal(raw) == "pretraining.halving: missing; add the settings, which pretrained.halved needs"


def test_the_refusal_of_another_lists_it():
    raw = params()
    raw["pretrained"]["halved"] = ENTRY | {"pretrain": "halfing"}
    expected = "should be one of supervised, rotation, simclr, vicreg, halving (did you mean 'halving'?)"
    assert refusal(raw) == f"pretrained.halved.pretrain: {expected}; received 'halfing'"
    raw = params()
    raw["pretraining"]["halfing"] = SETTINGS
    allowed = "supervised, rotation, simclr, vicreg, halving"
    assert refusal(raw) == f"pretraining.halfing: unknown key (did you mean 'halving'?); allowed: {allowed}"


def test_a_way_without_labels_is_given_none():
    raw = params()
    raw["pretrained"]["halved"] = ENTRY | {"label": "kind"}
    raw["pretraining"]["halving"] = SETTINGS
    assert refusal(raw) == "pretrained.halved.label: 'halving' uses no labels; remove it"


def test_a_source_learns_by_it(tmp_path):
    raw = tiny_world.make(tmp_path)
    raw["pretrained"]["halved"] = dict(ENTRY)
    raw["pretraining"]["halving"] = SETTINGS
    tiny_world.write_params(tmp_path, raw)
    tiny_world.run_cell(tmp_path, "source", "tiny")
    tiny_world.run_cell(tmp_path, "pretrain", "halved")
    before, after = (Paths(tmp_path).source(name) for name in ("tiny", "halved"))
    kernels = [load_model(files.backbone).get_layer("stem_conv").get_weights()[0] for files in (before, after)]
    np.testing.assert_allclose(kernels[1], kernels[0] / 4, rtol=1e-6)
    card = read_json(after.card)
    assert (card["pretrain"], card["citation"], card["cost"]["gflops"]) == ("halving", "nobody", 1.0)
    assert set(read_parquet(after.examples)["role"]) == {"train"}  # a way that does not validate holds nothing out
