"""Controls: comparisons whose answer is known in advance, and whether each held."""

from collections.abc import Mapping

from pipeline.report.content import Column, Paragraph, Section, Table, Toned
from pipeline.report.data import ReportData
from pipeline.report.language import retold, say
from pipeline.report.summary import group
from pipeline.report.words import evidence_of, spaced
from pipeline.results.result import Result
from pipeline.results.run import Run
from pipeline.verdict.controls import RULES, by_sign_alone, why_failed


def sections(data: ReportData) -> list[Section]:
    """The section, where there are controls."""
    controls = group(data.run, "controls")
    note = say("The answer of a control is known in advance. Controls test the run, not a transfer.")
    return [Section(say("Controls"), [table(controls), Paragraph(note)])] if controls else []


def table(controls: Mapping[str, Result]) -> Table:
    """A row a control: the comparison, the expected and the found answer, whether it held."""
    titles = [say("control"), say("compared"), say("expected"), say("found"), say("held")]
    rows = [
        [
            name,
            _compared(result),
            retold(RULES[result.control or ""].expected),
            _found(result),
            _held(result.held),
        ]
        for name, result in controls.items()
    ]
    return Table([Column(title) for title in titles], rows, (titles[0], *titles[2:]))


def _found(result: Result) -> str:
    """The label and its evidence; of a null control the label says nothing unless it is conclusive."""
    if result.label is None:
        return say("no label")
    if result.evidence == "equivalent":
        found = say("no difference beyond the margin")
    elif result.control == "null" and result.evidence != "conclusive":
        found = retold(RULES[result.control].expected)
    else:
        return f"{spaced(result.label)}, {evidence_of(result)}"
    return say("{found} (as expected)", found=found) if result.held else found


def _held(held: bool | None) -> str:
    if held is None:
        return say("undefined")
    return say("yes") if held else Toned(say("NO"), "negative")


def _compared(result: Result) -> str:
    if result.kind == "again":
        return say("{arm} with {other}", arm=result.again, other=result.baseline)
    return say("{source} to {target}", source=result.source, target=result.target)


# ---- the report's first line -----------------------------------------------------------------------------------------


def controls_line(run: Run) -> Paragraph:
    """The report's first line: whether the run's verdicts can be trusted."""
    controls = group(run, "controls")
    if run.facts.controls is None:
        text = say("This run has no controls: nothing tests whether its verdicts can be trusted.")
        return Paragraph(text, "warning")
    if run.facts.controls == "held":
        return Paragraph(say("The controls held ({how}).", how=_how_held(controls)), "held")
    why = ". ".join(
        f"{name}: {retold(why_failed(result.control, result.held, result.model_dump()))}"
        for name, result in controls.items()
        if result.control and not result.held
    )
    return Paragraph(
        say("The controls failed, so the verdicts of this run cannot be trusted. {why}.", why=why), "failed"
    )


def _how_held(controls: Mapping[str, Result]) -> str:
    """The controls' names; first those that held by the sign of their gain alone, which is weak evidence."""
    by_sign = [name for name, result in controls.items() if by_sign_alone(result.control or "", result.evidence)]
    others = ", ".join(name for name in controls if name not in by_sign)
    weak = say("{names} by sign, not conclusively", names=", ".join(by_sign)) if by_sign else ""
    return "; ".join(part for part in (weak, others) if part)
