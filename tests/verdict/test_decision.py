"""From predictions to verdicts, and what becomes of degenerate ones."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pipeline.verdict.decision import Verdict, decide, with_holm
from pipeline.verdict.pairs import pair

from .worlds import columns, pairs

QUICK = {"seed": 1, "resamples": 500}


def numbers(verdict):
    return [value for value in dataclasses.asdict(verdict).values() if isinstance(value, float)]


def test_a_large_gain_is_positive_and_conclusive():
    verdict = decide(pairs(n=2_000, groups=40, folds=5, gain=0.3), **QUICK)
    assert (verdict.label, verdict.evidence) == ("positive", "conclusive")
    assert 0 < verdict.ci_low < verdict.gain < verdict.ci_high
    assert verdict.images_needed is None
    assert verdict.p_mcnemar < 0.05


def test_a_small_study_is_inconclusive_and_says_what_it_lacked():
    verdict = decide(pairs(n=150, gain=0.1, seed=2), **QUICK)
    assert verdict.evidence == "inconclusive"
    assert verdict.folds_needed > verdict.folds == 3
    assert verdict.images_needed == 50 * verdict.folds_needed
    assert verdict.smallest_detectable_gain > abs(verdict.gain)


def test_a_gain_that_no_number_of_folds_would_show_has_a_reason():
    data = columns(n=150)
    data["baseline"] = data["transfer"].copy()
    right = data["baseline"].argmax(1) == data["labels"]
    rows = [np.flatnonzero(right & (data["labels"] == 0))[0], np.flatnonzero(~right & (data["labels"] == 0))[0]]
    data["baseline"][rows] = data["baseline"][rows][:, ::-1]  # one image lost, one of its class gained
    verdict = decide(pair(**data), "accuracy", **QUICK)
    assert (verdict.gain, verdict.images_needed, verdict.folds_needed) == (0.0, None, None)
    assert any(reason.startswith("images_needed: a difference of 0 would") for reason in verdict.reasons)


def test_equivalence_needs_a_margin_wider_than_the_interval():
    data = pairs(n=2_000, groups=40, folds=5, gain=0.0)
    assert decide(data, margin=0.2, **QUICK).evidence == "equivalent"
    assert decide(data, margin=0.0, **QUICK).evidence == "inconclusive"


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_permuting_the_rows_changes_nothing(seed):
    data = columns()
    order = np.random.default_rng(seed).permutation(300)
    assert decide(pair(**{name: column[order] for name, column in data.items()}), **QUICK) == decide(
        pair(**data), **QUICK
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_swapping_the_arms_flips_the_sign_and_nothing_else(seed):
    data = columns(n=120, seed=seed)
    one = decide(pair(**data), **QUICK)
    two = decide(pair(**{**data, "transfer": data["baseline"], "baseline": data["transfer"]}), **QUICK)
    flipped = {"gain", "ci_low", "ci_high", "label", "probability_positive", "probability_of_improvement"}
    if one.gain:
        assert {one.label, two.label} == {"positive", "negative"}
    assert two.gain == pytest.approx(-one.gain)
    assert two.ci_low == pytest.approx(-one.ci_high)
    assert two.probability_of_improvement == pytest.approx(1 - one.probability_of_improvement)
    for field in dataclasses.fields(Verdict):
        if field.name not in flipped:
            mine, theirs = getattr(one, field.name), getattr(two, field.name)
            assert theirs == (pytest.approx(mine) if isinstance(mine, float) else mine), field.name


def test_holm_takes_evidence_away_and_skips_the_undefined():
    sure = decide(pairs(n=2_000, groups=40, folds=5, gain=0.3), **QUICK)
    near = dataclasses.replace(sure, p=0.03)
    blank = decide(pair(**{**columns(), "fold": np.zeros(300)}), **QUICK)
    run = with_holm({"near": near, "next": near, "blank": blank})
    assert run["near"].p_holm == pytest.approx(0.06)
    assert run["near"].evidence == "inconclusive"
    assert run["near"].folds_needed > near.folds and run["near"].images_needed > near.images
    assert run["near"].family == 2
    assert run["near"].smallest_detectable_gain > near.smallest_detectable_gain  # found whatever the other one shows
    assert run["near"].detectable_alone == near.detectable_alone == near.smallest_detectable_gain
    assert run["blank"].p_holm is None
    assert with_holm({"near": near, "blank": blank})["near"].evidence == "conclusive"
    assert with_holm(run) == run


@pytest.mark.parametrize(
    ("change", "label", "words"),
    [
        ({"fold": np.zeros(300)}, "positive", "at least two"),
        ({"group": np.zeros(300)}, "positive", "fewer than 2 groups"),
        ({"transfer": columns()["baseline"]}, "negative", "same gain"),
        ({"labels": np.zeros(300, int)}, None, "one class"),
        ({"weights": np.zeros(300)}, None, "no image"),
    ],
)
@pytest.mark.parametrize("metric", ["balanced_accuracy", "roc_auc", "log_loss"])
def test_degenerate_inputs_give_null_and_a_reason(change, label, words, metric):
    verdict = decide(pair(**{**columns(gain=0.3), "baseline": columns()["baseline"], **change}), metric, **QUICK)
    assert (verdict.label, verdict.evidence) == (label, "inconclusive")
    assert verdict.ci_low is verdict.ci_high is verdict.p is verdict.smallest_detectable_gain is None
    assert any(words in reason for reason in verdict.reasons)
    assert np.isfinite(numbers(verdict)).all()
    if label is None:
        assert verdict.gain is None
    elif "same" in words:
        assert verdict.gain == 0


def test_a_verdict_survives_json():
    verdict = decide(pair(**{**columns(), "transfer": columns()["baseline"]}), **QUICK)
    text = json.dumps(dataclasses.asdict(verdict), allow_nan=False)
    assert TypeAdapter(Verdict).validate_json(text) == verdict
