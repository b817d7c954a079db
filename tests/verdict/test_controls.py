"""Controls: the rule of each, on verdicts whose answer is plain."""

from dataclasses import asdict

import pytest

from pipeline.config.schema import Question
from pipeline.verdict.controls import RULES, by_sign_alone, failures, held, why_failed
from pipeline.verdict.decision import Verdict


def verdict(**fields):
    return Verdict(
        "accuracy", 0.05, 0.05, 0.03, 100, 100, 3, 1, **({"gain": 0.1, "label": "positive", "p": 0.5} | fields)
    )


NEGATIVE = {"gain": -0.1, "label": "negative"}
UNDEFINED = {"gain": None, "label": None, "p": None, "reasons": ("gain: all tested images are of one class",)}


@pytest.mark.parametrize(
    ("control", "fields", "expected"),
    [
        ("null", {"evidence": "inconclusive"}, True),
        ("null", {"evidence": "equivalent"}, True),
        ("null", {"evidence": "conclusive", "p": 0.001}, False),
        ("null", {"evidence": "conclusive", "p": 0.001} | NEGATIVE, False),  # a loss is as wrong as a gain
        ("null", {"gain": 0.0, "label": "negative", "p": None}, True),  # both trainings predict the same
        ("null", {"gain": -1.0, "label": "negative", "p": None}, None),  # no spread, so no p, yet far from nothing
        ("planted_negative", NEGATIVE, True),
        ("planted_negative", {}, False),
        ("planted_positive", {}, True),
        ("planted_positive", NEGATIVE, False),
    ],
)
def test_a_control_holds_iff_its_rule_says_so(control, fields, expected):
    assert held(control, verdict(**fields)) is expected


@pytest.mark.parametrize("control", RULES)
def test_an_undefined_outcome_neither_holds_nor_fails_but_is_no_success(control):
    assert held(control, verdict(**UNDEFINED)) is None
    assert failures({"a": (control, verdict(**UNDEFINED))}) == ["a"]
    assert "all tested images are of one class" in why_failed(control, None, UNDEFINED)


def test_only_those_that_did_not_hold_are_named_with_what_was_expected_and_found():
    judged = {"good": ("planted_positive", verdict()), "bad": ("planted_negative", verdict())}
    assert failures(judged) == ["bad"]


@pytest.mark.parametrize(
    ("control", "fields", "words"),
    [
        ("planted_negative", {}, "expected negative, found positive: a source that holds no useful"),
        ("planted_positive", NEGATIVE, "expected positive, found negative: a source that knows the task"),
        ("null", {"evidence": "conclusive"}, "expected nothing conclusive, found conclusive: two trainings"),
    ],
)
def test_a_failure_tells_what_was_expected_what_was_found_and_what_it_means(control, fields, words):
    assert why_failed(control, False, asdict(verdict(**fields))).startswith(words)


@pytest.mark.parametrize(
    ("control", "evidence", "alone"),
    [
        ("planted_negative", "inconclusive", True),
        ("planted_positive", "equivalent", True),
        ("planted_positive", "conclusive", False),
        ("null", "inconclusive", False),  # that is what it must show
    ],
)
def test_a_sign_without_conclusive_evidence_is_told_apart(control, evidence, alone):
    assert by_sign_alone(control, evidence) is alone


def test_every_control_that_params_know_has_a_rule():
    controls = Question.model_fields["control"].annotation.__args__[0].__args__
    assert set(RULES) == set(controls)


def test_an_unknown_control_is_refused():
    with pytest.raises(KeyError, match="placebo"):
        held("placebo", verdict())
