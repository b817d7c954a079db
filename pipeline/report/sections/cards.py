"""Cards: for each question the answer, its gains on a number line, and what to do next."""

from collections.abc import Mapping
from typing import Any

from pipeline.report.answers import answer, badge, family_size, figures, frozen, gain_tone, outcome, tone, why_open
from pipeline.report.content import Block, Card, Paragraph, Section
from pipeline.report.data import ReportData
from pipeline.report.deciding import decider, plan
from pipeline.report.language import say
from pipeline.report.next_steps import next_steps
from pipeline.report.number_line import Gain, number_line, sure, tone_of, widest
from pipeline.report.sections.attribution import shares_of
from pipeline.report.sections.controls import controls_line
from pipeline.report.spending import minutes_a_repeat, pretraining_words
from pipeline.report.summary import conclusive, questions
from pipeline.report.words import (
    capitalised,
    counted,
    evidence_of,
    evidence_words,
    failed_words,
    interval,
    metric_name,
    number,
    saving,
    spaced,
)
from pipeline.results.result import Interval, Reading, Result, reading_fields
from pipeline.results.run import Run, RunFacts


def sections(data: ReportData) -> list[Section]:
    """The first section: whether the run can be trusted, what is conclusive, and a card a question."""
    run = data.run
    asked = questions(run)
    line = evidence_line(asked)
    reach = widest([gain.interval for name in asked for gain in gains_of(run.results[name], run.facts)])
    blocks: list[Block] = [Paragraph(line, "lead")] if line else []
    blocks += [card(name, data, reach) for name in asked]
    return [Section(say("Does the transfer pay?"), blocks, controls_line(run), level=1)]


def evidence_line(asked: Mapping[str, Result]) -> str:
    """Which verdicts are conclusive; nothing without questions."""
    if not asked:
        return ""
    sure = conclusive(asked)
    if not sure:
        return say("No answer is conclusive.")
    return say("Conclusive: {names} ({count} of {all} answers).", names=", ".join(sure), count=len(sure),
               all=len(asked))  # fmt: skip


# ---- a card ----------------------------------------------------------------------------------------------------------


def card(name: str, data: ReportData, reach: float) -> Card:
    """The card of a question; `reach` is the end of the number line, the same for all."""
    result, facts = data.run.results[name], data.run.facts
    clocks = data.cost.get(name, {})
    title = f"{name}: {figures(result, facts)}"
    return Card(
        name=name,
        badge=badge(result, facts),
        tone=tone(result, facts),
        answer=answer(result, facts),
        plan=plan(result, facts, minutes_a_repeat(result, data.run.results, clocks)),
        gains=number_line(gains_of(result, facts), reach, facts.margin, facts.metric, title),
        texts=texts(name, data.run),
        cautions=cautions(result, facts),
        steps=next_steps(name, data.run),
    )


def gains_of(result: Result, facts: RunFacts) -> list[Gain]:
    """All gains of a question: of the judged arm, over the best baseline, and of each way of tuning alone."""
    if result.gain is None:
        return []
    over = result.baseline or spaced(result.against)
    found = [Gain(say("over {what}", what=over), result, gain_tone(result, facts), sure(result), main=True)]
    if result.advice is not None and result.advice.gain is not None:
        found.append(Gain(say("over the best baseline"), result.advice, tone_of(result.advice), sure(result.advice)))
    if result.details is not None:
        verdicts = result.details.verdicts
        others = [arm for arm in verdicts if arm in PARTS and arm != result.arm and verdicts[arm].gain is not None]
        found += [Gain(say(PARTS[arm]), _interval(verdicts[arm]), "open") for arm in others]
    return found


PARTS = {
    "head": "linear probe alone",
    "tuned": "fine-tuned alone",
    "coral": "always CORAL",
    "target_supervised": "with target labels",
}


def _interval(verdict: Any) -> Interval:
    return Interval(gain=verdict.gain, ci_low=verdict.ci_low, ci_high=verdict.ci_high)


def texts(name: str, run: Run) -> list[str]:
    """What else to know: why it is open, both qualities, the choice between arms, other baselines, the price."""
    result = run.results[name]
    found = [*_fixed_rule(result), *why_open(result, run.facts, family_size(run.results)), _quality(result, run)]
    if frozen(result) and outcome(result, run.facts) in ("use", "only_here"):  # other answers say so
        found.append(say("Its layers stayed frozen (unfreeze: 0): fine-tuning was not tried."))
    if result.choices:
        found.append(say("Validation chose by trainings: {counts}.", counts=counted(_named(result.choices))))
    if result.advice is not None:
        best = counted({name: count for name, count in result.advice.baselines.items() if count})
        found.append(
            say(
                "The best baseline on validation, by trainings: {best}. The gain over it: {evidence}.",
                best=best,
                evidence=evidence_of(result.advice),
            )
        )
    parts = {each: part for each, part in run.results.items() if part.part_of == name}
    found += [shares_of(name, parts)] if parts else []
    found += _price(result, run.facts)
    return found


def _fixed_rule(result: Result) -> list[str]:
    """The gain of one method in every fold, beside the choice without labels, which may be the worse of the two."""
    verdict = None if result.details is None else result.details.verdicts.get("coral")
    if verdict is None or verdict.gain is None:
        return []
    reading = Reading(**reading_fields(verdict))
    return [
        say(
            "The fixed rule, always CORAL in place of a choice without labels, gives {gain}: {evidence}.",
            gain=interval(reading),
            evidence=evidence_words(result, reading),
        )
    ]


def _price(result: Result, facts: RunFacts) -> list[str]:
    """Compute, where the answer does not have it, then what pretraining took."""
    saved = result.compute.saved
    if saved is None:
        return []
    own = [say("{saving} than training from scratch.", saving=capitalised(saving(saved)))]
    return [*(own if outcome(result, facts) not in ("use", "equal") else []), *pretraining_words(result.compute)]


def _named(counts: Mapping[str, int]) -> dict[str, int]:
    return {spaced(arm): count for arm, count in counts.items()}


def _quality(result: Result, run: Run) -> str:
    arm, against = (number(result.arms[which][run.facts.metric]) for which in (result.arm, result.against))
    values = {
        "metric": capitalised(metric_name(run.facts.metric)),
        "arm": arm,
        "against": against,
        "other": spaced(result.against),
    }
    if result.ceiling is None:
        return say("{metric}: {arm}, {other} {against}.", **values)
    reached = number(result.arms[result.ceiling.arm][run.facts.metric])
    return say("{metric}: {arm}, {other} {against}, a linear probe with target labels {reached}.", **values,
               reached=reached)  # fmt: skip


def cautions(result: Result, facts: RunFacts) -> list[str]:
    """What speaks against relying on an answer, each in a line; they stand before what more repeats would do."""
    found = []
    if failed := failed_words(result):
        found.append(say("Trainings that failed: {failed}.", failed=failed))
        if outcome(result, facts) == "open" and decider(result) == "repeats":
            found[-1] += f" {say('More repeats do not mend that: find out first why they fail.')}"
    if result.earlier_repeats:
        repeats = ", ".join(map(str, result.earlier_repeats))
        found.append(say("Judged before at {repeats} repeats, which was not planned.", repeats=repeats))
    if result.baseline_stopped_improving is False:
        found.append(say("{arm}: still improving when its budget ended.", arm=spaced(result.against)))
    return found
