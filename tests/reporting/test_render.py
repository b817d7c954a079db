"""Pages: hostile text is shown as the text that it is, and nothing undefined is shown at all."""

import re

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.reporting import render as pages
from pipeline.reporting.summary import sentence, spending
from pipeline.reporting.table import number, verdict_table

ENTRY = {
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
}


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


def test_a_transfer_that_costs_more_says_so():
    assert spending(-0.25) == "25% more compute spent"


@pytest.mark.parametrize("label", ["positive", "negative", None])
def test_the_table_has_a_row_a_transfer(label):
    table = verdict_table({"a": ENTRY | {"label": label, "ci_low": None}, "b": ENTRY}, "accuracy")
    assert table.row_count == 2
