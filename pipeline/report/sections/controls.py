"""Controls: comparisons whose answer is known in advance, and whether each held."""

from pipeline.report.content import Column, Paragraph, Section, Table
from pipeline.report.data import ReportData
from pipeline.report.summary import group
from pipeline.results.result import Result
from pipeline.verdict.controls import RULES

NOTE = "The answer of a control is known in advance. Controls test the run, not a transfer."
HELD = {True: "yes", False: "NO", None: "undefined"}


def sections(data: ReportData) -> list[Section]:
    """The section, where there are controls."""
    controls = group(data.run, "controls")
    return [Section("Controls", [table(controls), Paragraph(NOTE)])] if controls else []


def table(controls: dict[str, Result]) -> Table:
    """A row a control: the comparison, the expected and the found answer, whether it held."""
    texts = [Column(title) for title in ("control", "compared", "expected", "found")]
    rows = [
        [
            name,
            _compared(result),
            RULES[result.control or ""].expected,
            f"{result.label or 'no label'}, {result.evidence}",
            HELD[result.held],
        ]
        for name, result in controls.items()
    ]
    return Table([*texts, Column("held", "label")], rows, ("control", "expected", "found", "held"))


def _compared(result: Result) -> str:
    if result.kind == "again":
        return f"{result.again} with {result.baseline}"
    return f"{result.source} to {result.target}"
