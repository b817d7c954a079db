"""Attribution (ablation): how much of a gain comes from the scale of the pretrained weights, how much from features."""

from collections.abc import Mapping

from pipeline.report.content import Column, Paragraph, Section, Table, items, numbers
from pipeline.report.data import ReportData
from pipeline.report.language import say
from pipeline.report.summary import group
from pipeline.report.words import evidence_words, gain_title, interval, joined, number, spaced
from pipeline.results.result import Result


def sections(data: ReportData) -> list[Section]:
    """The section, where questions are parts of others."""
    parts = group(data.run, "parts")
    note = say(
        "The rescaled network starts from random weights with the mean and variance of the pretrained ones, tensor by "
        "tensor. Its gain over scratch is scaling; what the transfer gains over it is features."
    )
    blocks = [*items(answers(parts)), table(parts, data.run.facts.level), Paragraph(note)]
    return [Section(say("Where gains come from"), blocks, folded=True)] if parts else []


def answers(parts: Mapping[str, Result]) -> list[str]:
    """The shares of each gain in a sentence."""
    wholes = dict.fromkeys(result.part_of or "" for result in parts.values())
    return [f"{whole}: {shares_of(whole, parts)}" for whole in wholes]


def shares_of(whole: str, parts: Mapping[str, Result]) -> str:
    """The shares of the gain of one question."""
    mine = [result for result in parts.values() if result.part_of == whole]
    if any(result.share is None for result in mine):
        return say("not divided: a gain that is not above zero cannot be divided into shares.")
    shares = joined([f"{number(result.share, '.0%')} {part_words(result)}" for result in mine])
    return say("of its gain, {shares}.", shares=shares)


def part_words(result: Result) -> str:
    """The name of a part of a gain."""
    if result.kind == "rescaled":
        return say("scaling")
    return say("features") if result.against == "rescaled" else _measured_by(result)


def _measured_by(result: Result) -> str:
    return say("{arm} over {other}", arm=spaced(result.arm), other=spaced(result.against))


def table(parts: Mapping[str, Result], alpha: float) -> Table:
    """A row a part of a gain."""
    whole, part, share = say("gain of"), say("part"), say("share of the gain")
    columns = [Column(whole), Column(part), Column(say("measured by"))]
    columns += [*numbers(gain_title(alpha)), Column(say("evidence")), *numbers(share)]
    rows = [
        [
            result.part_of or "-",
            part_words(result),
            _measured_by(result),
            interval(result),
            evidence_words(result, result),
            number(result.share, ".0%"),
        ]
        for result in parts.values()
    ]
    return Table(columns, rows, (whole, part, gain_title(alpha), share))
