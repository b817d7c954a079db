"""What was paid once is divided over those that use it."""

import copy

import pytest
import tiny_world

from pipeline.frame.params import check_params
from pipeline.reporting.summary import amortised, one_off


def cards(**gflops):
    """Cards of sources, each with its own cost; what was inherited is that of all before it in the given order."""
    before, result = 0.0, {}
    for name, own in gflops.items():
        result[name] = {"cost": {"gflops": own, "inherited_gflops": before}}
        before += own
    return result


@pytest.fixture
def params():
    """`tiny` is published; `first` begins from it, `second` from `first`; three transfers and an adaptation."""
    raw = copy.deepcopy(tiny_world.RAW)
    raw["sources"]["tiny"] = {"architecture": "MobileNetV2", "weights": "imagenet"}
    for baseline in raw["baselines"].values():
        baseline |= {"architecture": "MobileNetV2"}
    made = raw["pretrained"].pop("round-defect")
    raw["pretrained"] = {"first": made, "second": {**made, "init": "first"}}
    raw["adaptations"]["round-to-square"]["source"] = "second"
    to_kind = raw["transfers"]["to-kind"]
    raw["transfers"] |= {"one": {**to_kind, "source": "first"}, "two": {**to_kind, "source": "second"}}
    return check_params(raw)


def test_each_link_of_a_chain_is_divided_by_its_own_users(params):
    found = cards(tiny=0.0, first=30.0, second=8.0)
    assert one_off("tiny", found, params) == {
        "pretraining_gflops": 0.0, "pretraining_shared_by": 2, "pretraining_share_gflops": 0.0
    }  # fmt: skip
    assert one_off("first", found, params) == {
        "pretraining_gflops": 30.0, "pretraining_shared_by": 1, "pretraining_share_gflops": 10.0
    }  # fmt: skip
    assert one_off("second", found, params) == {
        "pretraining_gflops": 38.0, "pretraining_shared_by": 2, "pretraining_share_gflops": 8 / 2 + 30 / 3
    }  # fmt: skip


def test_the_shares_of_all_users_are_what_was_paid(params):
    found = cards(tiny=0.0, first=30.0, second=8.0)
    users = [entry.source for entry in (*params.transfers.values(), *params.adaptations.values())]
    assert sum(one_off(source, found, params)["pretraining_share_gflops"] for source in users) == pytest.approx(38.0)


def test_a_share_counts_against_what_was_saved():
    once = {"pretraining_gflops": 60.0, "pretraining_shared_by": 2, "pretraining_share_gflops": 30.0}
    spent = amortised({"transfer_gflops": 50.0, "scratch_gflops": 100.0, "saved": 0.5}, once)
    assert (spent["amortised_gflops"], spent["saved"]) == (80.0, 0.5)
    assert spent["saved_amortised"] == pytest.approx(0.2)
