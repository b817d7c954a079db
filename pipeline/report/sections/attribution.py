"""Attribution (ablation): how much of a gain comes from the scale of the pretrained weights, how much from features."""

from pipeline.report.content import Column, Paragraph, Section, Table, items, numbers
from pipeline.report.data import ReportData
from pipeline.report.summary import group
from pipeline.report.words import evidence_words, gain_title, interval, number, spaced
from pipeline.results.result import Result

NOTE = (
    "The rescaled network starts from random weights with the mean and variance of the pretrained ones, tensor by "
    "tensor. Its gain over scratch is scaling; what the transfer gains over it is features."
)
UNDIVIDED = "a gain that is not above zero cannot be divided into shares"


def sections(data: ReportData) -> list[Section]:
    """The section, where questions are parts of others."""
    parts = group(data.run, "parts")
    blocks = [*items(answers(parts)), table(parts, data.run.facts.level), Paragraph(NOTE)]
    return [Section("Where gains come from", blocks)] if parts else []


def answers(parts: dict[str, Result]) -> list[str]:
    """The shares of each gain in a sentence."""
    sentences = []
    for whole in dict.fromkeys(result.part_of or "" for result in parts.values()):
        mine = [result for result in parts.values() if result.part_of == whole]
        known = [result.share is not None for result in mine]
        shares = " and ".join(f"{number(result.share, '.0%')} {part_words(result)}" for result in mine)
        sentences.append(f"{whole}: of its gain, {shares}." if all(known) else f"{whole}: not divided, {UNDIVIDED}.")
    return sentences


def part_words(result: Result) -> str:
    """The name of a part of a gain."""
    if result.kind == "rescaled":
        return "scaling"
    return "features" if result.against == "rescaled" else f"{spaced(result.arm)} over {spaced(result.against)}"


def table(parts: dict[str, Result], alpha: float) -> Table:
    """A row a part of a gain."""
    columns = [Column("gain of"), Column("part"), Column("measured by")]
    columns += [*numbers(gain_title(alpha)), Column("evidence"), *numbers("share of the gain")]
    rows = [
        [
            result.part_of or "-",
            part_words(result),
            f"{spaced(result.arm)} over {spaced(result.against)}",
            interval(result),
            evidence_words(result, result),
            number(result.share, ".0%"),
        ]
        for result in parts.values()
    ]
    return Table(columns, rows, ("gain of", "part", gain_title(alpha), "share of the gain"))
