"""Costs: the compute and the time that each transfer saved."""

from collections.abc import Mapping

from pipeline.report.content import Column, Paragraph, Section, Table, numbers
from pipeline.report.data import ReportData
from pipeline.report.language import say
from pipeline.report.spending import Clock, time_saved
from pipeline.report.summary import group
from pipeline.report.words import equal_quality, number
from pipeline.results.result import Result


def sections(data: ReportData) -> list[Section]:
    """The section, where there are transfers."""
    results = group(data.run, "transfers")
    note = say(
        "Shares of what training from scratch took, over all folds and settings tried; below zero the transfer took "
        "more. Equal quality: the compute at which the transfer first had scratch's final quality, as a ratio to that "
        "at which scratch itself first had it, often before its end; with >, it never did, and the ratio is a lower "
        "bound. Unknown: published weights come without the cost of their training."
    )
    return [Section(say("Costs"), [table(results, data.cost), Paragraph(note)])] if results else []


def table(results: Mapping[str, Result], clocks: Mapping[str, Mapping[str, Clock]]) -> Table:
    """A row a transfer; time only where the clocks of a run are known."""
    first, saved, priced, equal = (
        say("transfer"), say("compute saved"), say("with its share of pretraining"), say("cost to equal quality"),
    )  # fmt: skip
    timed = [say("time saved")] if clocks else []
    rows = [
        [
            name,
            number(result.compute.saved, ".0%"),
            _priced(result),
            equal_quality(result.cost_to_equal_quality),
            *([number(time_saved(clocks.get(name, {})), ".0%")] if clocks else []),
        ]
        for name, result in results.items()
    ]
    return Table([Column(first), *numbers(saved, priced, equal, *timed)], rows, (first, saved, priced, equal))


def _priced(result: Result) -> str:
    if result.compute.saved_amortised is not None:
        return f"{result.compute.saved_amortised:.0%}"
    paid = result.compute.pretraining
    return say("unknown") if paid is not None and paid.reason else "-"
