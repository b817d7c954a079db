"""Sections: what is unknown, not comparable or not to be trusted is told as that."""

import pytest
from pipeline.reporting import sections

SPENT = {"pretraining_share_gflops": 20.0, "saved_amortised": 0.25}


def clocks(scratch_seconds, scratch_device="cpu"):
    own = {step: {"seconds": 10.0, "device": "cpu"} for step in ("extract", "head", "tune")}
    return own | {"scratch": {"seconds": scratch_seconds, "device": scratch_device}, "forecast": {"seconds": 1e6}}


@pytest.mark.parametrize(("scratch", "words"), [(120.0, "75% of the time saved"), (20.0, "50% more time spent")])
def test_the_transfers_own_seconds_stand_against_those_of_scratch(scratch, words):
    told = sections._seconds(clocks(scratch))
    assert "took 30 seconds" in told and told.endswith(f"{scratch:.0f}: {words}.")


def test_seconds_of_different_devices_are_not_compared():
    assert sections._seconds(clocks(120.0, "gpu")) == "Seconds are not compared: the arms ran on cpu and gpu."


@pytest.mark.parametrize(
    ("gflops", "reason", "words"),
    [
        (0, None, ""),
        (None, "nobody says", "unknown (nobody says)"),
        (40.0, None, "with its part of them, 20, it is 25% of the compute saved"),
        (40.0, "nobody says", "40 GFLOPs before, which are not in this figure; what the weights that it began with"),
    ],
)
def test_what_a_source_took_is_told_as_far_as_it_is_known(gflops, reason, words):
    told = sections._pretraining(SPENT | {"pretraining_gflops": gflops, "pretraining_reason": reason})
    assert words in told and bool(told) == bool(words)


@pytest.mark.parametrize(
    ("ran", "told"), [([10, 10, 10], "In 3 of 3 folds"), ([10, 7], "In 1 of 2 folds"), ([7], None)]
)
def test_a_fit_that_ran_to_its_end_says_that_no_longer_one_was_tried(ran, told):
    found = sections._budget({"folds": {"scratch": [{"epochs": epochs} for epochs in ran]}}, 10)
    assert [text.split(" scratch")[0] for text in found] == ([told] if told else [])
    assert all("A longer budget was not tried" in text for text in found)


def test_a_study_too_is_not_to_be_trusted_where_the_controls_failed():
    assert sections.distrust({"controls": "failed"}) and not sections.distrust({})
