"""The number line: places in percent, so that it fits any width; labels as the text that they are."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from pipeline.report.number_line import Gain, number_line, ticks, widest
from pipeline.results.result import Interval

GAIN = Interval(gain=0.1, ci_low=-0.1, ci_high=0.3)


def drawn(*gains, reach=0.4, title="a"):
    return ElementTree.fromstring(number_line(gains, reach, 0.05, "accuracy", title))


def test_a_gain_stands_where_its_value_is():
    svg = drawn(Gain("a", GAIN, "open"))
    place = {"low": 50 - 11, "gain": 50 + 11, "high": 50 + 33}  # 44 percent of the width are 0.4
    line, point = svg.find(".//line[@class='interval']"), svg.find(".//circle")
    assert (line.get("x1"), line.get("x2"), point.get("cx")) == tuple(
        f"{place[at]:.2f}%" for at in ("low", "high", "gain")
    )
    margin = svg.find("rect")
    assert (margin.get("x"), margin.get("width")) == ("44.50%", "11.00%")


def test_what_is_conclusive_is_filled():
    groups = drawn(Gain("a", GAIN, "positive", sure=True), Gain("b", GAIN, "open")).findall("g")
    assert [group.get("class") for group in groups] == ["positive sure", "open"]


def test_an_interval_beyond_the_axis_ends_in_an_arrow_and_an_undefined_one_is_left_out():
    svg = drawn(Gain("a", Interval(gain=0.1, ci_low=-9.0, ci_high=0.2), "control"))
    assert [text.text for text in svg.iter("text") if text.get("class") == "arrow"] == ["‹"]
    assert (
        drawn(Gain("a", Interval(gain=0.1, ci_low=None, ci_high=None), "open")).find(".//line[@class='interval']")
        is None
    )


def test_labels_and_titles_are_shown_as_they_are():
    hostile = '<script>"a" & b'
    svg = drawn(Gain(hostile, GAIN, "open"), title=hostile)
    assert hostile in [text.text for text in svg.iter("text")] and hostile in svg.get("aria-label")


def test_a_long_label_stands_above_its_figures_and_a_longer_one_on_several_lines():
    def rows(label):
        texts = drawn(Gain(label, GAIN, "open")).find("g").findall("text")
        *names, figures = [(text.text, int(text.get("y"))) for text in texts]
        assert figures[0].startswith("+0.100") and "".join(text for text, _ in names) == label
        return len(names), figures[1] > names[-1][1]

    assert [rows(label) for label in ("a" * 20, "a" * 30, "a" * 100)] == [(1, False), (1, True), (3, False)]


@pytest.mark.parametrize("reach", [0.004, 0.0149, 0.1, 0.385, 1.0, 3.0])
def test_ticks_are_round_and_inside(reach):
    found = ticks(reach)
    assert found[2] == 0 and len(found) == 5 and max(found) <= reach
    assert all(re.fullmatch(r"[+-]0?\.?0*\d{1,3}(\.\d)?", f"{value:+.3g}") for value in found if value)


def test_the_widest_interval_is_the_reach():
    assert widest([GAIN, Interval(gain=-0.5, ci_low=None, ci_high=None)]) == 0.5
    assert widest([]) == widest([Interval(gain=0.0, ci_low=None, ci_high=None)]) == 1.0
