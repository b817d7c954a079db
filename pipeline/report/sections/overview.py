"""Overview: whether the controls held, what is conclusive, an answer a question, and the forest plot."""

from collections.abc import Mapping

from pipeline.report.content import Block, Column, Figure, Paragraph, Section, Table, items, notes, numbers
from pipeline.report.data import ReportData
from pipeline.report.figures import forest_plot
from pipeline.report.plot_rows import gain_rows
from pipeline.report.summary import group, in_order
from pipeline.report.words import (
    evidence_of,
    failed_words,
    gain_title,
    interval,
    level,
    metric_name,
    number,
    saving,
    spaced,
)
from pipeline.results.result import Result
from pipeline.results.run import Run, RunFacts
from pipeline.verdict.controls import by_sign_alone, why_failed

TITLE = "Does the transfer pay?"
FOREST_FILE = "gain.svg"  # beside the report


def sections(data: ReportData) -> list[Section]:
    """The first section."""
    run = data.run
    questions = in_order(run)
    line = evidence_line(questions)
    blocks: list[Block] = [Paragraph(line, "lead")] if line else []
    blocks += items([answer(name, result, run.facts.metric) for name, result in questions.items()])
    blocks += [leading_table(run), *_notes(run.facts), _forest(run)]
    return [Section(TITLE, blocks, controls_line(run), level=1)]


# ---- sentences -------------------------------------------------------------------------------------------------------


def controls_line(run: Run) -> Paragraph:
    """The report's first line: whether the run's verdicts can be trusted."""
    controls = group(run, "controls")
    if run.facts.controls is None:
        return Paragraph("This run has no controls: nothing tests whether its verdicts can be trusted.", "warning")
    if run.facts.controls == "held":
        return Paragraph(f"The controls held ({_how_held(controls)}).", "held")
    why = ". ".join(
        f"{name}: {why_failed(result.control, result.held, result.model_dump())}"
        for name, result in controls.items()
        if result.control and not result.held
    )
    return Paragraph(f"The controls failed, so the verdicts of this run cannot be trusted. {why}.", "failed")


def _how_held(controls: Mapping[str, Result]) -> str:
    """The controls' names; first those that held by the sign of their gain alone, which is weak evidence."""
    by_sign = [name for name, result in controls.items() if by_sign_alone(result.control or "", result.evidence)]
    others = [name for name in controls if name not in by_sign]
    parts = [(by_sign, " by sign, not conclusively"), (others, "")]
    return "; ".join(f"{', '.join(names)}{how}" for names, how in parts if names)


def evidence_line(questions: Mapping[str, Result]) -> str:
    """Which verdicts are conclusive, and the gains that the run could detect; nothing where all are controls."""
    judged = {name: result for name, result in questions.items() if not result.control}
    if not judged:
        return ""
    sure = [name for name, result in judged.items() if result.evidence == "conclusive"]
    claim = f"Conclusive: {', '.join(sure)} ({len(sure)} of {len(judged)} labels)" if sure else "No label is conclusive"
    sizes = sorted({f"{size:.2f}" for result in judged.values() if (size := result.smallest_detectable_gain)})
    if not sizes:
        return f"{claim}."
    gains = f"a gain of {sizes[0]}" if len(sizes) == 1 else f"gains of {sizes[0]} to {sizes[-1]}"
    return f"{claim}. At 80 % power this run could detect {gains}."


def answer(name: str, result: Result, metric: str) -> str:
    """The answer to a question in one sentence."""
    control = f"{control_state(result)}: " if result.control else ""
    parts = [f"{name}: {control}{_finding(result, metric)}"]
    if failed := failed_words(result):
        parts.append(f"trainings that failed: {failed}")
    if result.earlier_repeats:
        parts.append(f"judged before at {', '.join(map(str, result.earlier_repeats))} repeats, unplanned")
    if result.baseline_stopped_improving is False:
        parts.append(f"{spaced(result.against)} was still improving when its budget ended")
    if result.controls == "failed":
        parts.append("not to be trusted, since controls of this run failed")
    if result.advice is not None:
        parts.append(
            f"over the baseline that validation prefers {interval(result.advice)}, {evidence_of(result.advice)}"
        )
    return f"{'; '.join(parts)}."


def control_state(result: Result) -> str:
    """Whether a control held."""
    state = {True: "held", False: "failed", None: "undefined"}[result.held]
    return f"control ({spaced(result.control or '')}) {state}"


def _finding(result: Result, metric: str) -> str:
    if result.gain is None:
        return "no verdict, since the gain is undefined"
    arm, against = (number(result.arms[which][metric]) for which in (result.arm, result.against))
    return (
        f"{result.label}, {evidence_of(result)}: gain {interval(result)} in {metric_name(metric)} "
        f"({arm}; {spaced(result.against)} {against}){_price(result, metric)}"
    )


def _price(result: Result, metric: str) -> str:
    if result.ceiling is not None:
        return f"; a linear probe with target labels reaches {number(result.arms[result.ceiling.arm][metric])}"
    return "" if result.compute.saved is None else f"; {saving(result.compute.saved)}"


# ---- table and figure ------------------------------------------------------------------------------------------------


def leading_table(run: Run) -> Table:
    """A row a question; a dash where its kind has no such value."""
    gain = gain_title(run.facts.level)
    columns = [Column(title) for title in ("question", "control", "setting", "source", "target")]
    columns += [Column("label", "label"), Column("evidence"), *numbers(gain, "p", "compute saved")]
    rows = [
        [
            name,
            spaced(result.control or "-"),
            result.setting or "-",
            result.source or "-",
            result.target,
            result.label or "-",
            evidence_of(result),
            interval(result),
            number(result.p if result.control else result.p_holm, ".2g"),
            number(result.compute.saved, ".0%"),
        ]
        for name, result in in_order(run).items()
    ]
    return Table(columns, rows, ("question", "label", "evidence", gain, "compute saved"))


def _notes(facts: RunFacts) -> list[Block]:
    scores = [(what, facts.forecasts[what]) for what in ("transfers", "controls")]
    checked = " and ".join(f"{score.correct} of {score.of} {what}" for what, score in scores if score.of)
    explained = {
        "Gain": f"the difference in {metric_name(facts.metric)}: of transfers and controls over the same network, "
        "trained from scratch on the same folds; of adaptations over the unadapted source.",
        "Estimate": "the expected difference between the two ways of training, over seeds, draws of labelled images "
        "and divisions into folds, on new groups like these, given this source and this pool of images. Luck that all "
        "trainings share, such as that of a source made once, is in no interval.",
        "Label": "the sign of the gain.",
        "Evidence": f"conclusive: not zero at level {facts.level:.3g}; equivalent: the interval lies within "
        f"{facts.margin} either way; inconclusive: neither; not worse: the interval ends above -{facts.margin}. "
        "Questions are adjusted for their number (Holm); controls, and readings marked as unadjusted, are judged by "
        "their own p.",
        "Compute saved": "the share of scratch's GFLOPs that the transfer did not spend, pretraining cost excluded.",
        "Forecasts": f"made before the transfer was trained; correct for {checked}." if checked else "",
    }
    return notes(explained)


def _forest(run: Run) -> Figure:
    caption = (
        f"Gain in {metric_name(run.facts.metric)} with its {level(run.facts.level)} interval: against scratch as it "
        "converged, against what scratch had reached for the same compute, and of adaptations against the unadapted "
        "source. Controls, on grey, are no findings; an arrow is an interval that goes on."
    )
    return Figure(caption, svg=forest_plot(gain_rows(run), run.facts.metric), file=FOREST_FILE)
