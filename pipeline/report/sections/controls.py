"""Controls: comparisons whose answer is known in advance, and whether it came out."""

from pipeline.report.content import Column, Paragraph, Section, Table
from pipeline.report.material import Material
from pipeline.report.words import held_words
from pipeline.results.result import Result
from pipeline.verdict.controls import RULES

NOTE = "The answer of a control is known in advance. Controls test the run, not a transfer."


def sections(material: Material) -> list[Section]:
    """The section, where there are controls."""
    controls = {name: result for name, result in material.run.results.items() if result.control}
    return [Section("Controls", [table(controls), Paragraph(NOTE)])] if controls else []


def table(controls: dict[str, Result]) -> Table:
    """A row a control: what was compared, what it must show, what it showed, whether it held."""
    texts = [Column(title) for title in ("control", "compared", "expected", "found")]
    rows = [
        [
            name,
            _compared(result),
            RULES[result.control or ""].expected,
            f"{result.label or 'no label'}, {result.evidence}",
            held_words(result.held),
        ]
        for name, result in controls.items()
    ]
    return Table([*texts, Column("held", "label")], rows, ("control", "expected", "found", "held"))


def _compared(result: Result) -> str:
    if result.kind == "repeat":
        return f"{result.again} with {result.baseline}"
    return f"{result.source} to {result.target}"
