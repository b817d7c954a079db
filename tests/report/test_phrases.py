"""Numbers and readings in words: what is undefined is a dash, what is a bound is one."""

import builders
import pytest

from pipeline.report.words import (
    IMPRACTICAL,
    equal_quality,
    evidence_words,
    forecast_words,
    images_needed,
    interval,
    number,
    saving,
    share_reached,
)
from pipeline.results.result import EqualQuality, Reading, reading_fields


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
    assert saving(0.5) == "50% of the compute saved"
    assert saving(-0.5, "time") == "50% more time spent" and saving(-0.25) == "25% more compute spent"


def test_an_interval_that_is_undefined_is_left_out():
    assert interval(builders.transfer()) == "+0.050 [+0.010, +0.090]"
    assert interval(builders.transfer(ci_low=None)) == "+0.050"
    assert interval(builders.transfer(gain=None, ci_low=None)) == "-"


@pytest.mark.parametrize(("correct", "shown"), [(True, "correct"), (False, "wrong"), (None, "undecided")])
def test_a_forecast_stands_with_its_outcome(correct, shown):
    assert forecast_words(builders.forecast(correct=correct)) == f"positive ({shown})"
    assert forecast_words(None) == forecast_words(builders.forecast(label=None, correct=None)) == "-"


def test_only_readings_that_are_neither_adjusted_nor_of_controls_are_marked():
    reading = Reading(**reading_fields(builders.verdict()))
    adjusted = reading.model_copy(update={"p_holm": 0.03})
    assert evidence_words(builders.transfer(), reading) == "conclusive (unadjusted)"
    assert evidence_words(builders.transfer(), adjusted) == "conclusive"
    assert evidence_words(builders.repeat(), reading) == "conclusive"


@pytest.mark.parametrize(
    ("images", "folds", "shown"),
    [(1_000, 20, "1,000 images in 20 folds"), (1_001, 21, IMPRACTICAL), (None, None, "-")],
)
def test_what_nobody_would_collect_is_called_impractical(images, folds, shown):
    reading = Reading(**reading_fields(builders.verdict(images_needed=images, folds_needed=folds)))
    assert images_needed(reading, 100) == shown
