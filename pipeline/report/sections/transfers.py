"""Transfers: baseline, gain at equal compute, smallest detectable gain, and forecast of each."""

from collections.abc import Mapping

from pipeline.report.content import Column, Section, Table, notes, numbers
from pipeline.report.data import ReportData
from pipeline.report.language import say
from pipeline.report.summary import group
from pipeline.report.words import forecast_words, interval, number
from pipeline.results.result import Result


def sections(data: ReportData) -> list[Section]:
    """The section, where there are transfers that are no controls."""
    results = group(data.run, "transfers")
    explained = {
        say("At equal compute"): say(
            "against what training from scratch had reached, in the middle of its schedule, when it had spent as much."
        ),
        say("Smallest detectable gain"): say(
            "found by a run like this one with 80 % power, whatever its other questions show; alone: without the "
            "adjustment for their number."
        ),
        say("Forecast"): say(
            "from cached features, before the transfer was trained; it does not look at the baseline. Undecided: the "
            "verdict is not conclusive, so that its sign shows nothing."
        ),
    }
    return [Section(say("Transfers"), [table(results), *notes(explained)], folded=True)] if results else []


def table(results: Mapping[str, Result]) -> Table:
    """A row a transfer."""
    first, equal, smallest = say("transfer"), say("gain at equal compute"), say("smallest detectable gain")
    columns = [Column(first), Column(say("baseline")), *numbers(equal, smallest, say("alone")), Column(say("forecast"))]
    rows = [
        [
            name,
            result.baseline or "-",
            "-" if result.equal_compute is None else interval(result.equal_compute),
            number(result.smallest_detectable_gain),
            number(result.detectable_alone),
            forecast_words(result),
        ]
        for name, result in results.items()
    ]
    return Table(columns, rows, (first, equal, smallest, say("forecast")))
