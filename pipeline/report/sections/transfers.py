"""Transfers: baseline, gain at equal compute, cost to equal quality, and forecast of each."""

from pipeline.report.content import Column, Section, Table, notes, numbers
from pipeline.report.data import ReportData
from pipeline.report.summary import group
from pipeline.report.words import equal_quality, forecast_words, interval, number
from pipeline.results.result import Result

NOTES = {
    "At equal compute": "against what training from scratch had reached, in the middle of its schedule, when it had "
    "spent as much.",
    "Smallest detectable gain": "found by a run like this one with 80 % power, whatever its other questions show; "
    "alone: without the adjustment for their number.",
    "Cost to equal quality": "GFLOPs until the transfer matched scratch's final quality, as a ratio to what scratch "
    "needed; with >, it never did, and the ratio is a lower bound.",
    "Forecast": "from cached features, before the transfer was trained; it does not look at the baseline.",
}


def sections(data: ReportData) -> list[Section]:
    """The section, where there are transfers that are no controls."""
    results = group(data.run, "transfers")
    return [Section("Transfers", [table(results), *notes(NOTES)])] if results else []


def table(results: dict[str, Result]) -> Table:
    """A row a transfer."""
    readings = numbers("gain at equal compute", "smallest detectable gain", "alone", "cost to equal quality")
    columns = [Column("transfer"), Column("baseline"), *readings, Column("forecast")]
    rows = [
        [
            name,
            result.baseline or "-",
            "-" if result.equal_compute is None else interval(result.equal_compute),
            number(result.smallest_detectable_gain),
            number(result.detectable_alone),
            equal_quality(result.cost_to_equal_quality),
            forecast_words(result.forecast),
        ]
        for name, result in results.items()
    ]
    shown = ("transfer", "gain at equal compute", "smallest detectable gain", "cost to equal quality", "forecast")
    return Table(columns, rows, shown)
