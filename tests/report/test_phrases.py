"""Numbers and readings in words: what is undefined is a dash, what is a bound is one."""

from dataclasses import replace

import builders
import numpy as np
import pytest

from pipeline.report.words import (
    IMPRACTICAL,
    equal_quality,
    evidence_of,
    evidence_words,
    failed_words,
    forecast_words,
    interval,
    needed,
    number,
    saving,
    share_reached,
    time_saving,
)
from pipeline.results.result import EqualQuality, Reading, reading_fields
from pipeline.verdict.decision import decide, with_holm
from pipeline.verdict.pairs import pair


@pytest.mark.parametrize(
    ("value", "form", "shown"), [(None, ".3f", "-"), (0.12345, ".3f", "0.123"), (-0.5, "+.3f", "-0.500")]
)
def test_numbers_and_dashes(value, form, shown):
    assert number(value, form) == shown


@pytest.mark.parametrize(
    ("ratio", "reached", "shown"),
    [(0.348, True, "0.35"), (1.2, False, "> 1.20"), (None, True, "-"), (None, None, "-")],
)
def test_cost_to_equal_quality_is_a_ratio_or_a_bound(ratio, reached, shown):
    cost = EqualQuality(gflops=1.0, scratch_gflops=1.0, ratio=ratio, reached=reached, reason=None)
    assert equal_quality(cost) == shown and equal_quality(None) == "-"


@pytest.mark.parametrize(("reached", "shown"), [(None, "-"), (0.62, "62%"), (1.0, "100%"), (1.09, ">100%")])
def test_more_than_the_whole_ceiling_is_a_bound(reached, shown):
    assert share_reached(reached) == shown


def test_a_transfer_that_costs_more_says_so():
    assert saving(0.5) == "50% less compute" and saving(-0.25) == "25% more compute"
    assert time_saving(-0.5) == "50% more time" and time_saving(0.1) == "10% less time"


def test_an_interval_that_is_undefined_is_left_out():
    assert interval(builders.transfer()) == "+0.050 [+0.010, +0.090]"
    assert interval(builders.transfer(ci_low=None)) == "+0.050"
    assert interval(builders.transfer(gain=None, ci_low=None)) == "-"


@pytest.mark.parametrize(("correct", "shown"), [(True, "correct"), (False, "wrong"), (None, "undecided")])
def test_a_forecast_stands_with_its_outcome_where_the_verdict_is_conclusive(correct, shown):
    checked = builders.transfer(forecast=builders.forecast(correct=correct))
    assert forecast_words(checked) == f"positive ({shown})"
    assert forecast_words(checked.model_copy(update={"evidence": "inconclusive"})) == "positive (undecided)"
    for none in (None, builders.forecast(label=None, correct=None)):
        assert forecast_words(builders.transfer(forecast=none)) == "-"


def test_only_readings_that_are_neither_adjusted_nor_of_controls_are_marked():
    reading = Reading(**reading_fields(builders.verdict()))
    adjusted = reading.model_copy(update={"p_holm": 0.03})
    assert evidence_words(builders.transfer(), reading) == "conclusive (unadjusted)"
    assert evidence_words(builders.transfer(), adjusted) == "conclusive"
    assert evidence_words(builders.again(), reading) == "conclusive"


@pytest.mark.parametrize(
    ("evidence", "not_worse", "shown"),
    [
        ("inconclusive", True, "inconclusive (not worse)"),
        ("inconclusive", False, "inconclusive"),
        ("inconclusive", None, "inconclusive"),
        ("equivalent", True, "equivalent"),  # which says it already
        ("conclusive", True, "conclusive"),
    ],
)
def test_not_worse_is_said_where_nothing_stronger_is(evidence, not_worse, shown):
    reading = Reading(**reading_fields(builders.verdict(evidence=evidence, not_worse=not_worse)))
    assert evidence_of(reading) == evidence_words(builders.again(), reading) == shown
    assert evidence_words(builders.transfer(), reading) == f"{shown} (unadjusted)"


@pytest.mark.parametrize(
    ("repeats", "groups", "shown"),
    [(4, 1_200, "4 repeats or 1,200 groups"), (4, None, "4 repeats"), (None, 55, "55 groups"), (None, None, "-")],
)
def test_what_would_show_a_gain_is_more_repeats_or_more_groups(repeats, groups, shown):
    assert needed(Reading(**reading_fields(builders.verdict(repeats_needed=repeats, groups_needed=groups)))) == shown


def test_what_nobody_would_collect_is_called_impractical():
    """By the reason that the verdict itself gives: 20 images of 10 groups, a gain far below what they show."""
    rng = np.random.default_rng(1)
    labels, group, fold = np.tile([0, 1], 20), np.tile(np.repeat(np.arange(10), 2), 2), np.repeat([0, 1, 2, 3], 10)
    arm, other = (np.column_stack([1 - p, p]) for p in rng.uniform(size=(2, 40)))
    judged = decide(pair(labels, arm, other, fold, group, fold // 2), "accuracy")
    tiny = replace(judged, gain=1e-4, p_holm=None, evidence="inconclusive")
    found = with_holm({"a": tiny})["a"]
    assert (found.repeats_needed, found.groups_needed) == (None, None)
    assert needed(Reading(**reading_fields(found))) == IMPRACTICAL


def test_trainings_that_failed_are_counted_by_arm():
    assert failed_words(builders.transfer()) == ""
    failed = {"scratch": 2, "source_only": 1}
    assert failed_words(builders.transfer(failed=failed)) == "2 of 4 of scratch, 1 of 4 of source only"
