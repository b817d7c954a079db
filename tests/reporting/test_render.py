"""Pages: hostile text is shown as the text that it is, and nothing undefined is shown at all."""

import re
from io import StringIO

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.reporting import render as pages
from pipeline.reporting.sentences import (
    controls_line,
    equal_quality,
    evidence_line,
    forecasts_line,
    interval,
    number,
    of_the_way,
    sentence,
    spending,
)
from pipeline.reporting.table import adaptation_table, control_table, verdict_table
from rich.console import Console

ENTRY = {
    "kind": "transfer",
    "against": "scratch",
    "p": 0.01,
    "setting": "inductive",
    "arm": "tuned",
    "label": "positive",
    "evidence": "conclusive",
    "gain": 0.05,
    "ci_low": 0.01,
    "ci_high": 0.09,
    "arms": {"tuned": {"accuracy": 0.8}, "scratch": {"accuracy": 0.75}},
    "equal_compute": {"gain": None},
    "compute": {"saved": 0.5},
    "baseline_stopped_improving": True,
    "forecast": {"label": "positive", "right": True},
}


ADAPTED = ENTRY | {
    "kind": "adaptation",
    "arm": "adapted",
    "against": "source_only",
    "arms": {"adapted": {"accuracy": 0.8}, "source_only": {"accuracy": 0.75}, "target_supervised": {"accuracy": 0.9}},
    "ceiling": {"arm": "target_supervised", "gain": 0.15, "reached": 1 / 3},
}
del ADAPTED["equal_compute"], ADAPTED["baseline_stopped_improving"]
CONTROL = ENTRY | {"control": "planted_negative", "held": False}


@pytest.fixture
def template(monkeypatch):
    def use(text):
        monkeypatch.setattr(pages, "_source", lambda name: text)

    return use


@given(text=st.text("a|<>*_`#[]()!\\~\n\r{}", max_size=20))
def test_markdown_shows_text_as_it_is(text):
    """A reader of Markdown drops the backslash before a special sign; none is left without."""
    escaped = pages.markdown_escape(text)
    assert re.fullmatch(r"([a ]|\\[^a \n\r])*", escaped)
    assert re.sub(r"\\(.)", r"\1", escaped) == re.sub(r"[\n\r]", " ", text)


def test_html_is_escaped_and_markdown_is_not(template):
    template("{{ text }}")
    assert pages.render("report.html.j2", {"text": "<script>&"}) == "&lt;script&gt;&amp;"
    assert pages.render("report.md.j2", {"text": "<script>&"}) == "<script>&"


def test_a_value_that_is_missing_stops_the_page(template):
    template("{{ metrics.gian }}")
    with pytest.raises(jinja2.UndefinedError, match="gian"):
        pages.render("report.md.j2", {"metrics": {}})


@pytest.mark.parametrize(
    ("value", "form", "shown"), [(None, ".3f", "-"), (0.12345, ".3f", "0.123"), (-0.5, "+.3f", "-0.500")]
)
def test_numbers_and_dashes(value, form, shown):
    assert number(value, form) == shown


def test_the_sentence_tells_label_evidence_gain_interval_and_price():
    assert sentence("a-to-b", ENTRY, "accuracy") == (
        "a-to-b: positive, conclusive: accuracy 0.800 against 0.750 from scratch, gain +0.050 [+0.010, +0.090], "
        "50% of the compute saved"
    )


def test_the_sentence_of_what_is_undefined():
    assert "[" not in sentence("a", ENTRY | {"ci_low": None}, "accuracy")
    assert sentence("a", ENTRY | {"gain": None}, "accuracy") == "a: no verdict, since the gain is undefined"


def test_the_sentence_warns_of_a_baseline_that_was_still_improving():
    assert sentence("a", ENTRY | {"baseline_stopped_improving": False}, "accuracy").endswith(
        "; scratch had not stopped improving when its budget ended"
    )


@pytest.mark.parametrize(
    ("cost", "shown"),
    [
        ({"ratio": 0.348, "reached": True}, "0.35"),
        ({"ratio": 1.2, "reached": False}, "> 1.20"),
        ({"ratio": None, "reached": True}, "-"),
        ({"ratio": None, "reached": None}, "-"),
    ],
)
def test_cost_to_equal_quality_is_a_ratio_or_a_bound(cost, shown):
    assert equal_quality(cost) == shown


@pytest.mark.parametrize(("reached", "shown"), [(None, "-"), (0.62, "62%"), (1.0, "100%"), (1.09, ">100%")])
def test_more_than_the_whole_way_is_told_as_that(reached, shown):
    assert of_the_way(reached) == shown


def test_a_transfer_that_costs_more_says_so():
    assert spending(-0.5, "time") == "50% more time spent"
    assert spending(-0.25) == "25% more compute spent"


def test_the_sentence_of_an_adaptation_names_the_source_and_the_ceiling():
    assert sentence("a", ADAPTED, "accuracy") == (
        "a: positive, conclusive: accuracy 0.800 against 0.750 of the source as it is, gain +0.050 [+0.010, +0.090], "
        "0.900 by a linear probe with target labels"
    )


def test_the_sentence_of_a_control_tells_whether_it_held():
    assert sentence("a", CONTROL, "accuracy").startswith("a: control (planted negative) failed: positive, conclusive")
    assert "control (planted negative) held" in sentence("a", CONTROL | {"held": True}, "accuracy")


def test_the_sentence_warns_where_the_controls_failed():
    assert "not to be trusted" in sentence("a", ENTRY | {"controls": "failed"}, "accuracy")


def test_the_second_line_tells_how_many_labels_are_more_than_a_sign():
    weak = {"evidence": "inconclusive", "smallest_detectable_gain": 0.151}
    sure = {"evidence": "conclusive", "smallest_detectable_gain": 0.0421}
    asked = " For four of five such runs to find it, a true gain would have to be "
    assert evidence_line({"a": weak, "b": weak}) == f"No label is conclusive.{asked}0.15."
    assert evidence_line({"a": weak, "b": sure}) == f"Conclusive: b (1 of 2 labels).{asked}0.04 to 0.15."
    assert evidence_line({"a": weak | {"smallest_detectable_gain": None}}) == "No label is conclusive."
    assert evidence_line({}) == ""


def test_the_first_line_names_the_controls_or_what_their_failure_means():
    held = CONTROL | {"held": True}
    assert controls_line({"controls": "held"}, {"a": held, "b": held}) == "The controls held (a, b)."
    assert "no controls" in controls_line({"controls": None}, {})
    failed = controls_line({"controls": "failed"}, {"a": CONTROL, "b": held})
    assert "cannot be trusted" in failed and "a: expected negative, found positive: " in failed and "b: " not in failed


def test_a_control_that_held_by_its_sign_alone_is_no_proof():
    held = {"held": True, "evidence": "inconclusive"}
    controls = {name: CONTROL | held | {"control": name} for name in ("planted_negative", "planted_positive", "null")}
    assert controls_line({"controls": "held"}, controls) == (
        "The controls held (planted_negative, planted_positive by sign, not conclusively; null)."
    )


def test_an_interval_that_is_undefined_is_left_out():
    assert interval(ENTRY) == "+0.050 [+0.010, +0.090]"
    assert interval(ENTRY | {"ci_low": None}) == "+0.050" and interval(ENTRY | {"gain": None, "ci_low": None}) == "-"


@pytest.mark.parametrize("label", ["positive", "negative", None])
def test_the_terminal_has_a_row_a_transfer_an_adaptation_a_control(label):
    metrics = {"a": ENTRY | {"label": label, "ci_low": None}, "b": ENTRY, "c": ADAPTED, "d": CONTROL, "e": CONTROL}
    tables = [table(metrics, "accuracy") for table in (verdict_table, adaptation_table, control_table)]
    assert [table.row_count for table in tables] == [2, 1, 2]


def test_names_and_words_stay_whole_in_80_columns():
    names = ["imagenet-to-defect", "mono-to-poly-unlabelled", "planted-negative"]
    metrics = dict(zip(names, [ENTRY | {"setting": "unsupervised"}, ADAPTED, CONTROL], strict=True))
    console = Console(width=80, record=True, file=StringIO())
    for table in (verdict_table, adaptation_table, control_table):
        console.print(table(metrics, "balanced_accuracy"))
    words = console.export_text().split()
    assert {*names, "(unsupervised)", "positive", "conclusive", "forecast", "+0.050", "compute", "saved"} <= set(words)


def test_the_score_of_forecasts_leaves_out_what_cannot_be_told():
    score = {"controls": {"right": 1, "of": 2}, "transfers": {"right": 3, "of": 4}}
    nothing = {"right": 0, "of": 0}
    assert forecasts_line(score).endswith("were right for 3 of 4 transfers and 1 of 2 controls.")
    assert forecasts_line(score | {"controls": nothing}).endswith("were right for 3 of 4 transfers.")
    assert forecasts_line({"controls": nothing, "transfers": nothing}) == ""
