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
from pipeline.verdict.planning import smallest_detectable_gain
from pipeline.verdict.trainings import gains

from .worlds import columns, pairs


def numbers(verdict):
    return [value for value in dataclasses.asdict(verdict).values() if isinstance(value, float)]


def test_a_large_gain_is_positive_and_conclusive():
    verdict = decide(pairs(n=2_000, groups=40, folds=5, gain=0.3))
    assert (verdict.label, verdict.evidence, verdict.not_worse) == ("positive", "conclusive", True)
    assert 0 < verdict.ci_low < verdict.gain < verdict.ci_high and verdict.p < 0.05
    assert verdict.repeats_needed is verdict.groups_needed is None and not verdict.reasons
    assert (verdict.images, verdict.groups, verdict.folds, verdict.repeats) == (2_000, 40, 5, 2)


def test_a_small_study_is_inconclusive_and_says_what_it_lacked():
    verdict = decide(pairs(n=150, gain=0.08, seed=15))
    assert verdict.evidence == "inconclusive" and verdict.label == "positive"
    assert verdict.smallest_detectable_gain > verdict.gain
    assert 2 < verdict.repeats_needed <= 20
    assert smallest_detectable_gain(verdict.components, 0.05, verdict.repeats_needed) <= verdict.gain
    assert smallest_detectable_gain(verdict.components, 0.05, verdict.repeats_needed - 1) > verdict.gain
    assert 12 < verdict.groups_needed <= 120


def lasting(n=1200, groups=12, effect=0.4, repeats=4, gain=0.0, tested=3):
    """Arms that are right on the same images in every repeat; one is better on some groups and worse on others."""
    rng = np.random.default_rng(2)
    group, labels = np.arange(n) % groups, rng.integers(2, size=n)
    better = np.where(group % 2, effect, -effect) + gain
    fold = np.concatenate([(rng.permutation(groups) % tested)[group] + tested * r for r in range(repeats)])
    draw = rng.uniform(size=n)
    arms = [np.eye(2)[np.where(draw < rate, labels, 1 - labels)] for rate in (0.5 + better / 2, 0.5 - better / 2)]
    tiled = [np.tile(x, (repeats, 1) if x.ndim > 1 else repeats) for x in (labels, *arms)]
    return pair(*tiled, fold, np.tile(group, repeats), np.repeat(np.arange(repeats), n))


def test_where_groups_alone_are_the_trouble_the_advice_is_more_groups():
    verdict = decide(lasting(gain=0.15))
    assert verdict.evidence == "inconclusive" and verdict.repeats_needed is None
    assert verdict.groups_needed > 12
    assert any("needs more groups, not more repeats" in reason for reason in verdict.reasons)


def test_a_gain_of_nearly_nothing_is_not_practically_detectable():
    verdict = decide(lasting(gain=0.001))
    assert verdict.repeats_needed is verdict.groups_needed is None
    assert any("not practically detectable" in reason for reason in verdict.reasons)


def test_one_repeat_gives_an_interval_but_no_plan():
    verdict = decide(pairs(gain=0.02, repeats=1))
    assert verdict.degrees == 2 and verdict.ci_low < verdict.gain < verdict.ci_high
    assert verdict.components is verdict.repeats_needed is verdict.groups_needed is None
    assert verdict.smallest_detectable_gain > 0
    assert any(reason.startswith("repeats_needed: one repeat cannot tell") for reason in verdict.reasons)


def test_equivalence_and_not_worse_are_read_from_the_one_interval():
    data = pairs(n=2_000, groups=40, folds=5, gain=0.0)
    plain = decide(data)
    assert plain.p > 0.05
    widest = max(-plain.ci_low, plain.ci_high)
    for margin, evidence in ((widest * 1.001, "equivalent"), (widest * 0.999, "inconclusive")):
        assert decide(data, margin=margin).evidence == evidence
    for margin, not_worse in ((-plain.ci_low * 1.001, True), (-plain.ci_low * 0.999, False)):
        assert decide(data, margin=margin).not_worse is not_worse
    better = decide(pairs(n=2_000, groups=40, folds=5, gain=0.3), margin=0.0)
    assert (better.evidence, better.not_worse) == ("conclusive", True)


def test_a_small_conclusive_gain_that_holm_takes_away_may_be_equivalent():
    verdict = dataclasses.replace(decide(pairs(n=2_000, groups=40, folds=5)), p=0.03, ci_low=0.001, ci_high=0.02)
    assert with_holm({"one": verdict})["one"].evidence == "conclusive"
    assert {each.evidence for each in with_holm({"one": verdict, "two": verdict}).values()} == {"equivalent"}


def test_a_look_judges_by_its_own_level():
    data = pairs(n=600, gain=0.1, seed=2)
    plain = decide(data)
    strict = decide(data, level=plain.p * 0.9)
    assert plain.evidence == "conclusive" and strict.evidence == "inconclusive"
    assert strict.alpha == 0.05 and strict.level == plain.p * 0.9 and plain.level == 0.05
    assert strict.ci_low < 0 < plain.ci_low
    assert strict.smallest_detectable_gain > plain.smallest_detectable_gain
    assert with_holm({"one": dataclasses.replace(strict, p=plain.p * 0.8)})["one"].evidence == "conclusive"
    assert with_holm({"one": strict})["one"].evidence == "inconclusive"


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_permuting_the_rows_changes_nothing(seed):
    data = columns()
    order = np.random.default_rng(seed).permutation(600)
    assert decide(pair(**{name: column[order] for name, column in data.items()})) == decide(pair(**data))


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_swapping_the_arms_flips_the_sign_and_nothing_else(seed):
    data = columns(n=120, seed=seed)
    one = decide(pair(**data))
    two = decide(pair(**{**data, "transfer": data["baseline"], "baseline": data["transfer"]}))
    flipped = {"gain", "ci_low", "ci_high", "label", "not_worse", "probability_of_improvement", "components"}
    if one.gain:
        assert {one.label, two.label} == {"positive", "negative"}
    assert two.gain == pytest.approx(-one.gain)
    assert two.ci_low == pytest.approx(-one.ci_high)
    assert two.probability_of_improvement == pytest.approx(1 - one.probability_of_improvement)
    assert dataclasses.astuple(two.components) == pytest.approx(dataclasses.astuple(one.components), abs=1e-12)
    for field in dataclasses.fields(Verdict):
        if field.name not in flipped:
            mine, theirs = getattr(one, field.name), getattr(two, field.name)
            assert theirs == (pytest.approx(mine) if isinstance(mine, float) else mine), field.name


def test_probability_of_improvement_is_the_share_of_trainings():
    data = pairs(n=200, gain=0.02, repeats=3)
    values = gains(data, "accuracy").values
    expected = np.mean(values > 0) + np.mean(values == 0) / 2
    assert decide(data, "accuracy").probability_of_improvement == pytest.approx(expected)
    assert 0 < expected < 1


def test_holm_takes_evidence_away_and_skips_the_undefined():
    sure = decide(pairs(n=2_000, groups=40, folds=5, gain=0.3))
    near = dataclasses.replace(sure, p=0.03)
    blank = decide(pair(**{**columns(repeats=1), "fold": np.zeros(300)}))
    run = with_holm({"near": near, "next": near, "blank": blank})
    assert run["near"].p_holm == pytest.approx(0.06)
    assert run["near"].evidence == "inconclusive"
    assert run["near"].repeats_needed == 3  # one more, as the gain is far larger than the smallest that is detectable
    assert run["near"].family == 2
    assert run["near"].smallest_detectable_gain > near.smallest_detectable_gain  # found whatever the other one shows
    assert run["near"].detectable_alone == near.detectable_alone == near.smallest_detectable_gain
    assert run["blank"].p_holm is None
    assert with_holm({"near": near, "blank": blank})["near"].evidence == "conclusive"
    assert with_holm(run) == run


@pytest.mark.parametrize(
    ("change", "label", "words"),
    [
        ({"fold": np.repeat([0, 1], 300)}, "positive", None),
        ({"fold": np.zeros(600), "repeat": np.zeros(600)}, "positive", "at least two"),
        ({"group": np.zeros(600)}, "positive", "fewer than 2 groups"),
        ({"transfer": columns()["baseline"]}, "negative", "same gain"),
        ({"labels": np.zeros(600, int)}, None, "one class"),
        ({"weights": np.zeros(600)}, None, "no image"),
    ],
)
@pytest.mark.parametrize("metric", ["balanced_accuracy", "roc_auc", "log_loss"])
def test_degenerate_inputs_give_null_and_a_reason(change, label, words, metric):
    verdict = decide(pair(**{**columns(gain=0.3), "baseline": columns()["baseline"], **change}), metric)
    assert np.isfinite(numbers(verdict)).all()
    assert verdict.label == label
    if words is None:  # a fold a repeat: trainings differ and so do groups
        assert verdict.ci_low < verdict.ci_high and verdict.folds == 1
        return
    assert verdict.evidence == "inconclusive"
    assert verdict.ci_low is verdict.ci_high is verdict.p is verdict.smallest_detectable_gain is None
    assert verdict.not_worse is verdict.degrees is verdict.components is verdict.repeats_needed is None
    assert any(words in reason for reason in verdict.reasons)
    if label is None:
        assert verdict.gain is None
    elif "same" in words:
        assert verdict.gain == 0 and verdict.probability_of_improvement == 0.5


def test_a_metric_that_no_training_has_is_undefined():
    data = columns(folds=2)
    data["labels"] = (data["fold"] % 2).astype(int)  # each training tests one class
    verdict = decide(pair(**data), "roc_auc")
    assert verdict.gain is verdict.label is None and "roc_auc is undefined" in verdict.reasons[0]


def test_trainings_left_out_are_told():
    data = columns()
    data["weights"] = np.where((data["fold"] == 1) & (data["labels"] == 1), 0.0, data["weights"])
    assert "1 of 6 trainings were left out: the metric is undefined there" in decide(pair(**data), "roc_auc").reasons


def test_more_than_a_metric_can_gain_is_told():
    verdict = decide(pairs(n=24, groups=4, folds=2, repeats=1, seed=4), "accuracy")
    assert verdict.smallest_detectable_gain > 1
    assert any(reason.startswith("smallest_detectable_gain: more than accuracy can gain") for reason in verdict.reasons)


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_verdict_survives_json(repeats):
    for data in (columns(repeats=repeats), {**columns(), "transfer": columns()["baseline"]}):
        verdict = decide(pair(**data))
        text = json.dumps(dataclasses.asdict(verdict), allow_nan=False)
        assert TypeAdapter(Verdict).validate_json(text) == verdict
