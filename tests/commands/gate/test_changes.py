"""What the gate refuses: a table of cases, and what must hold for any two runs."""

import builders
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.commands.gate.changes import compare, quality, recommended, refused
from pipeline.results.result import Result

BETTER, WORSE = {"label": "positive", "gain": 0.05}, {"label": "negative", "gain": -0.05}
SURE, SAME, OPEN = ({"evidence": evidence} for evidence in ("conclusive", "equivalent", "inconclusive"))
BEYOND = {"not_worse": False}


def transfer(*parts, **fields):
    """A transfer: both arms have the quality 0.8."""
    parts = (with_quality(0.8, 0.8), *parts, fields)
    return builders.transfer(**{key: value for part in parts for key, value in part.items()})


def control(*parts, kind="null", **fields):
    return builders.again(control=kind, **{key: value for part in (*parts, fields) for key, value in part.items()})


def with_quality(tuned, scratch=0.75):
    return {"arms": {"tuned": builders.qualities(tuned), "scratch": builders.qualities(scratch)}}


HELD, FAILED, UNDECIDED = {"held": True}, {"held": False}, {"held": None}
CASES = {
    # name: (before, after, rules by which it is refused); None: the question is absent
    "a conclusive label flips": (transfer(SURE, BETTER), transfer(SURE, WORSE), ["flipped"]),
    "it flips, but not conclusively": (transfer(SURE, BETTER), transfer(OPEN, WORSE), ["flipped"]),
    "a conclusive loss becomes a gain": (transfer(SURE, WORSE), transfer(SURE, BETTER), ["flipped"]),
    "a conclusive label is open again": (transfer(SURE, BETTER), transfer(OPEN, BETTER), ["lost"]),
    "a conclusive label is only equivalent": (transfer(SURE, BETTER), transfer(SAME, BETTER), ["lost"]),
    "a conclusive loss is open again": (transfer(SURE, WORSE), transfer(OPEN, WORSE), ["lost"]),
    "an equivalence is open again": (transfer(SAME, BETTER), transfer(OPEN, BETTER), ["lost"]),
    "an equivalence is a loss": (transfer(SAME, BETTER), transfer(SURE, WORSE, BEYOND), ["lost"]),
    "a loss within the margin": (transfer(SAME, BETTER), transfer(SURE, WORSE, not_worse=True), []),
    "an equivalence is a gain": (transfer(SAME, WORSE), transfer(SURE, BETTER), []),
    "signs of equivalent arms": (transfer(SAME, BETTER), transfer(SAME, WORSE), []),
    "an open sign changes": (transfer(OPEN, BETTER), transfer(OPEN, WORSE), []),
    "an open question is decided": (transfer(OPEN, BETTER), transfer(SURE, WORSE), []),
    "a conclusive question is removed": (transfer(SURE, BETTER), None, ["lost"]),
    "an equivalence is removed": (transfer(SAME, BETTER), None, ["lost"]),
    "an open question is removed": (transfer(OPEN, BETTER), None, []),
    "a question is added": (None, transfer(SURE, WORSE), []),
    "a control fails": (control(OPEN, HELD), control(SURE, FAILED), ["control"]),
    "a control failed before": (control(SURE, FAILED), control(SURE, FAILED), []),
    "a control recovers": (control(SURE, FAILED, WORSE), control(OPEN, HELD, BETTER), []),
    "a control can no longer be decided": (control(OPEN, HELD), control(OPEN, UNDECIDED), ["control"]),
    "a control that held is removed": (control(OPEN, HELD), None, ["control"]),
    "a control that failed is removed": (control(SURE, FAILED), None, []),
    "a control is no control any more": (control(OPEN, HELD), transfer(OPEN, BETTER), ["control"]),
    "a new control fails": (None, control(SURE, FAILED), ["control"]),
    "a new control holds": (None, control(OPEN, HELD), []),
    "a planted effect is found, not surely": (
        control(SURE, HELD, BETTER, kind="planted_positive"),
        control(OPEN, HELD, BETTER, kind="planted_positive"),
        ["lost"],
    ),
    "the recommended arm drops": (transfer(OPEN, BETTER), transfer(OPEN, BETTER, with_quality(0.76)), ["quality"]),
    "it drops by the tolerance": (transfer(OPEN, BETTER), transfer(OPEN, BETTER, with_quality(0.79)), []),
    "the other arm is recommended now": (transfer(OPEN, BETTER), transfer(OPEN, WORSE, with_quality(0.7)), ["quality"]),
    "the other arm is as good": (transfer(OPEN, BETTER), transfer(OPEN, WORSE, with_quality(0.7, 0.8)), []),
    "an arm that nobody uses drops": (transfer(OPEN, WORSE), transfer(OPEN, WORSE, with_quality(0.1, 0.8)), []),
    "its quality is undefined": (transfer(OPEN, BETTER), transfer(OPEN, BETTER, with_quality(None)), ["quality"]),
    "there is no gain any more": (transfer(SURE, BETTER), transfer(OPEN, label=None, gain=None), ["lost", "quality"]),
    "it is measured on another target": (
        transfer(OPEN, BETTER),
        transfer(OPEN, BETTER, with_quality(0.1), target="rust"),
        [],
    ),
    "a part of another question drops": (
        transfer(OPEN, BETTER, part_of="whole"),
        transfer(OPEN, BETTER, with_quality(0.1), part_of="whole"),
        [],
    ),
}


def run(result, **fields):
    return builders.run_of({} if result is None else {"stripes": result}, **fields)


def rules(before, after, tolerance=None):
    return [change.rule for change in refused(compare(before, after, tolerance))]


@pytest.mark.parametrize("name", CASES)
def test_what_is_refused(name):
    before, after, expected = CASES[name]
    assert rules(run(before), run(after)) == expected


def test_what_passes_is_told_where_a_reader_would_ask():
    told = {name: [change.text for change in compare(run(old), run(new))] for name, (old, new, _) in CASES.items()}
    assert told["a question is added"] == ["added: conclusive negative"]
    assert told["an open question is removed"] == ["removed; was inconclusive positive"]
    assert told["an open question is decided"] == ["inconclusive positive -> conclusive negative"]
    assert told["a control failed before"] == ["control null failed: conclusive negative, as before"]
    assert told["an open sign changes"] == []  # noise


def test_the_tolerance_is_the_margin_unless_it_is_given():
    before, after = run(transfer(OPEN, BETTER)), run(transfer(OPEN, BETTER, with_quality(0.775)))
    assert before.facts.margin == 0.01
    assert rules(before, after) == ["quality"]
    assert rules(before, after, tolerance=0.025) == []  # 0.8 - 0.775 > 0.025 by rounding alone
    assert rules(before, after, tolerance=0.02) == ["quality"]


def test_quality_is_in_the_metric_of_before():
    before, after = run(transfer(OPEN, BETTER), metric="roc_auc"), run(transfer(OPEN, BETTER), metric="accuracy")
    better = after.results["stripes"].model_copy(
        update={"arms": {"tuned": builders.qualities(0.9) | {"roc_auc": 0.5}, "scratch": builders.qualities(0.9)}}
    )
    assert rules(before, run(better)) == ["quality"]


def test_other_settings_and_another_question_of_the_same_name_are_told():
    texts = [
        change.text
        for change in compare(
            run(transfer(OPEN, BETTER)),
            run(transfer(OPEN, BETTER, target="rust", source=None), metric="roc_auc"),
        )
    ]
    assert texts == ["metric: accuracy -> roc_auc", "asks something else: target defect -> rust, source tiny -> none"]


def test_the_sign_recommends():
    assert [recommended(transfer(OPEN, part)) for part in (BETTER, WORSE, {"label": None})] == [
        "tuned",
        "scratch",
        None,
    ]
    assert quality(transfer(OPEN, WORSE, with_quality(0.8, 0.75)), "accuracy") == 0.75


# ---- for any runs ----------------------------------------------------------------------------------------------------

unit = st.floats(0, 1)
labels = st.sampled_from(["positive", "negative", None])
evidences = st.sampled_from(["conclusive", "equivalent", "inconclusive"])


@st.composite
def results(draw, evidence=evidences) -> Result:
    """Any result, also ones that no run would give."""
    fields = {
        "label": draw(labels),
        "evidence": draw(evidence),
        "not_worse": draw(st.sampled_from([True, False, None])),
        "held": draw(st.sampled_from([True, False, None])),
        "control": draw(st.sampled_from([None, "null", "planted_negative"])),
        "arms": {arm: builders.qualities(draw(unit)) for arm in ("tuned", "scratch")},
    }
    return builders.transfer(**fields)


def runs(result):
    return st.dictionaries(st.sampled_from("abcd"), result).map(builders.run_of)


@given(runs(results()))
def test_a_run_passes_against_itself(run):
    changes = compare(run, run, tolerance=0)
    assert refused(changes) == []
    assert all(change.text.endswith(", as before") for change in changes)  # controls that failed


@given(runs(results(st.just("inconclusive"))), runs(results(st.just("inconclusive"))))
def test_what_is_not_conclusive_is_never_refused_for_its_sign(before, after):
    """The tolerance is that of any quality; controls are not judged by their sign here."""
    changes = refused(compare(before, after, tolerance=1))
    assert {change.rule for change in changes} <= {"control", "quality"}
    assert all(after.results[change.question].label is None for change in changes if change.rule == "quality")


@given(runs(results()), runs(results()))
def test_every_refusal_names_a_question_that_established_something_or_a_control_that_fails(before, after):
    for change in refused(compare(before, after, tolerance=0)):
        old, new = before.results.get(change.question), after.results.get(change.question)
        if change.rule == "control":
            assert (old is not None and old.held) or (new is not None and new.held is False)
        else:
            assert old is not None
            assert change.rule == "quality" or old.evidence != "inconclusive"


@given(runs(results()), runs(results()))
def test_added_questions_refuse_only_as_controls_that_fail(before, after):
    added = {name: result for name, result in after.results.items() if name not in before.results}
    for change in refused(compare(before, after)):
        if change.question in added:
            assert change.rule == "control" and added[change.question].held is False


@given(runs(results()), runs(results()), unit, unit)
def test_a_larger_tolerance_refuses_no_more(before, after, one, other):
    small, large = (
        {change.question for change in refused(compare(before, after, limit)) if change.rule == "quality"}
        for limit in sorted((one, other))
    )
    assert large <= small
