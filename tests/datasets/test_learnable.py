"""The images that a source learns from: permuted labels, a validation part of whole units, refusals that help."""

import re

import numpy as np
import pytest
import tiny_world

from pipeline.config.schema import Pretrained
from pipeline.datasets.learnable import held_out, learnable
from pipeline.store.errors import InputError


def entry(**changes: object) -> Pretrained:
    return Pretrained(**{"pretrain": "supervised", "init": "tiny", "dataset": "toy", "label": "kind"} | changes)


def test_permuted_labels_are_as_many_and_no_longer_tell_the_image():
    table = tiny_world.manifest()
    true, permuted = (
        learnable(table, entry(permute_labels=permute), 0.25, seed=4)["label"] for permute in (False, True)
    )
    assert sorted(true) == sorted(permuted)
    assert 0.25 < (true == permuted).mean() < 0.75
    again = learnable(table, entry(permute_labels=True), 0.25, seed=4)["label"]
    assert permuted.tolist() == again.tolist()


def test_what_does_not_validate_learns_from_everything():
    table = tiny_world.manifest()
    assert set(learnable(table, entry(pretrain="vicreg", label=None), None, seed=1)["role"]) == {"train"}
    turned = learnable(table, entry(pretrain="rotation", label=None), 0.25, seed=1)
    assert (turned["role"] == "validation").mean() == 0.25 and "label" not in turned


def test_too_few_units_are_refused():
    whole = tiny_world.manifest().assign(unit="u0")
    for label in ("kind", None):
        with pytest.raises(InputError, match=r"No validation part of 0\.25.*Widen `where`, or add images"):
            learnable(whole, entry(label=label), 0.25, seed=1)


def test_a_class_in_one_unit_is_refused():
    labels = np.array(["common"] * 20 + ["rare"] * 4)
    unit = np.array([f"u{number // 2}" for number in range(20)] + ["u10"] * 4)
    with pytest.raises(InputError, match=r"class rare in its (train|validation) part"):
        held_out(labels, unit, 0.25, seed=7)


def test_the_fraction_that_a_refusal_names_does():
    labels = np.array(["common"] * 20 + ["rare"] * 3)
    unit = np.array([f"u{number}" for number in range(23)])
    with pytest.raises(InputError) as caught:
        held_out(labels, unit, 0.2, seed=7)
    fraction = re.search(r"Set `run\.validation_fraction: ([\d.]+)`", str(caught.value))
    assert fraction is not None
    assert set(labels[held_out(labels, unit, float(fraction[1]), seed=7)]) == {"common", "rare"}
