"""All questions and controls in one table of figures, and what its words mean."""

from collections.abc import Mapping

from pipeline.report.content import Block, Column, Section, Table, notes, numbers
from pipeline.report.data import ReportData
from pipeline.report.language import say
from pipeline.report.summary import in_order, scores
from pipeline.report.words import evidence_of, gain_title, interval, joined, label_of, metric_name, number, spaced
from pipeline.results.run import Run, Score


def sections(data: ReportData) -> list[Section]:
    """The section."""
    blocks: list[Block] = [leading_table(data.run), *_notes(data.run)]
    return [Section(say("All questions in figures"), blocks, folded=True)]


def leading_table(run: Run) -> Table:
    """A row a question; a dash where its kind has no such value."""
    gain, saved = gain_title(run.facts.level), say("compute saved")
    columns = [Column(say("question")), Column(say("control")), Column(say("setting")), Column(say("source"))]
    columns += [Column(say("target")), Column(say("label")), Column(say("evidence")), *numbers(gain, "p", saved)]
    rows = [
        [
            name,
            spaced(result.control or "-"),
            spaced(result.setting or "-"),
            result.source or "-",
            result.target,
            label_of(result),
            evidence_of(result),
            interval(result),
            number(result.p if result.control else result.p_holm, ".2g"),
            number(result.compute.saved, ".0%"),
        ]
        for name, result in in_order(run).items()
    ]
    return Table(columns, rows, (say("question"), say("label"), say("evidence"), gain, saved))


def _notes(run: Run) -> list[Block]:
    facts = run.facts
    shown = {
        say("Gain"): say(
            "the difference in {metric}: of transfers and controls over the same network, trained from scratch on the "
            "same folds; of adaptations over the unadapted source.",
            metric=metric_name(facts.metric),
        ),
        say("Estimate"): say(
            "the expected difference between the two ways of training, over seeds, draws of labelled images and "
            "divisions into folds, on new groups like these, given this source and this pool of images. Luck that all "
            "trainings share, such as that of a source made once, is in no interval."
        ),
        say("Label"): say("the sign of the gain; in brackets where it is not conclusive."),
        say("Evidence"): say(
            "conclusive: not zero at level {level}; equivalent: the interval lies within {margin} either way; "
            "inconclusive: neither; not worse: the interval ends above -{margin}. Questions are adjusted for their "
            "number (Holm); controls, and readings marked as unadjusted, are judged by their own p.",
            level=f"{facts.level:.3g}",
            margin=facts.margin,
        ),
        say("Compute saved"): say(
            "the share of scratch's GFLOPs that the transfer did not spend, pretraining cost excluded."
        ),
        say("Forecasts"): _forecasts(run),
    }
    return notes(shown)


def _forecasts(run: Run) -> str:
    every = _scores(run.facts.forecasts)
    if not every:
        return ""
    made = say("made before the transfer was trained.")
    signs = say("Signs alone, also those that decide nothing, agree for {every}.", every=every)
    decided = _scores(scores(result for result in run.results.values() if result.evidence == "conclusive"))
    if not decided:
        return f"{made} {say('No verdict that could check them is conclusive.')} {signs}"
    right = say("Of conclusive verdicts they were correct for {decided}.", decided=decided)
    return f"{made} {right} {signs}"


def _scores(counts: Mapping[str, Score]) -> str:
    """Correct forecasts of those that can be checked, of transfers and of controls; those without any are left out."""
    shown = []
    for what, found in counts.items():
        if found.of and what == "transfers":
            shown.append(say("{correct} of {of} transfers", correct=found.correct, of=found.of))
        elif found.of:
            shown.append(say("{correct} of {of} controls", correct=found.correct, of=found.of))
    return joined(shown)
