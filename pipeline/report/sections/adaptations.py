"""Adaptations: quality on the target without its labels, between source only and a linear probe with them."""

from pipeline.report.content import Column, Section, Table, notes, numbers
from pipeline.report.data import ReportData
from pipeline.report.summary import group
from pipeline.report.words import number, share_reached
from pipeline.results.result import Result

NOTES = {
    "Source only": "the unadapted source with its own head; the gain of an adaptation is over it.",
    "Always CORAL": "the same method in every fold, in place of a choice without labels.",
    "Linear probe": "trained with the target's labels on the source's features. It is not the best that could be done "
    "with these labels.",
    "Share reached": "of the linear probe's gain, reached without labels; an adaptation may get further (>100%).",
}


def sections(data: ReportData) -> list[Section]:
    """The section, where there are adaptations."""
    results = group(data.run, "adaptations")
    blocks = [table(results, data.run.facts.metric), *notes(NOTES)]
    return [Section("Without labels of the target", blocks)] if results else []


def table(results: dict[str, Result], metric: str) -> Table:
    """A row an adaptation."""
    titles = ("source only", "adapted", "always CORAL", "linear probe with target labels", "share reached")
    rows = [[name, *_qualities(result, metric)] for name, result in results.items()]
    return Table([Column("adaptation"), *numbers(*titles)], rows, ("adaptation", *titles))


def _qualities(result: Result, metric: str) -> list[str]:
    own = [number(result.arms[arm][metric]) for arm in (result.against, result.arm)]
    own.append(number(result.arms["coral"][metric]) if "coral" in result.arms else "-")
    if result.ceiling is None:
        return [*own, "-", "-"]
    return [*own, number(result.arms[result.ceiling.arm][metric]), share_reached(result.ceiling.reached)]
