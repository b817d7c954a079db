"""Format numbers, intervals and readings: phrases that several sections use."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.content import Toned
from pipeline.report.language import retold, say
from pipeline.results.result import EqualQuality, Interval, Reading, Result

METRIC_NAMES = {"macro_f1": "macro F1", "roc_auc": "ROC AUC", "ece": "calibration error"}  # others are spelt as words
FROM_RANDOM = "weights it began with: none; images: "  # how the licence of a source pretrained here begins
IMPRACTICAL = "not practically detectable"  # what a reason of a verdict says beyond ten times the data


def number(value: float | None, form: str = ".3f") -> str:
    """A number in a given format; a dash where it is undefined."""
    return "-" if value is None else format(value, form)


def spaced(name: str) -> str:
    """A term of this program (an arm, a method, a control, a label) as words; names of params stay as they are."""
    return say(name.replace("_", " "))


def joined(parts: Sequence[str]) -> str:
    """Parts with `and` between the last two."""
    return say("{first} and {last}", first=", ".join(parts[:-1]), last=parts[-1]) if len(parts) > 1 else "".join(parts)


def counted(counts: Mapping[str, int]) -> str:
    """How often each was chosen, the most often last in the order given."""
    return ", ".join(say("{what} in {count}", what=what, count=count) for what, count in counts.items())


def licence_words(licence: str) -> str:
    """A card's licence; nothing of weights that need none, such as the random ones that pretraining began with."""
    stated = licence.removeprefix(FROM_RANDOM)
    return {"none": "", "not stated": say("licence not stated")}.get(stated, retold(stated))


def credit(card: Mapping[str, Any]) -> str:
    """Title, licence and citation of a dataset's card, as far as they are stated."""
    stated = [part for part in (retold(card["title"].rstrip(".")), licence_words(card["licence"])) if part]
    citation = "" if card["citation"] in ("none", "not stated") else f" {card['citation']}"
    return f"{'; '.join(stated)}.{citation}"


def scaled_from(card: Mapping[str, Any]) -> str:
    """Whose images are shown made smaller, as licences demand."""
    return say("Scaled down from: {credit}", credit=credit(card))


def distrust() -> str:
    """The warning on a result or a study of a run whose controls failed."""
    return say("Controls of this run failed: this result is not to be trusted.")


def metric_name(metric: str) -> str:
    """A metric in the field's words."""
    return say(METRIC_NAMES.get(metric, metric.replace("_", " ")))


def interval(reading: Interval) -> str:
    """A gain with its interval, as far as they are defined."""
    if reading.gain is None or reading.ci_low is None:
        return number(reading.gain, "+.3f")
    return f"{reading.gain:+.3f} [{reading.ci_low:+.3f}, {reading.ci_high:+.3f}]"


def level(outside: float) -> str:
    """The level of an interval that leaves out the truth with this probability: 95%, 97.9%."""
    return f"{100 * (1 - outside):.3g}%"


def gain_title(outside: float) -> str:
    """The heading over a gain with its interval."""
    return say("gain [{level} interval]", level=level(outside))


def saving(saved: float) -> str:
    """The share of compute saved, in words; where it is negative, the share spent on top."""
    share = f"{abs(saved):.0%}"
    return say("{share} less compute", share=share) if saved >= 0 else say("{share} more compute", share=share)


def time_saving(saved: float) -> str:
    """The same of time."""
    share = f"{abs(saved):.0%}"
    return say("{share} less time", share=share) if saved >= 0 else say("{share} more time", share=share)


def equal_quality(cost: EqualQuality | None) -> str:
    """The ratio of costs to equal quality; `>`: a lower bound, since the quality was not reached."""
    if cost is None or cost.ratio is None:
        return "-"
    return f"{'' if cost.reached else '> '}{cost.ratio:.2f}"


def share_reached(reached: float | None) -> str:
    """The share of the linear probe's gain that was reached without labels, `>100%` where it is more."""
    return ">100%" if reached is not None and reached > 1 else number(reached, ".0%")


def forecast_words(result: Result) -> str:
    """A forecast and whether it was correct: the sign of a gain that is not conclusive decides nothing."""
    if result.forecast is None or result.forecast.label is None:
        return "-"
    correct = result.forecast.correct if result.evidence == "conclusive" else None
    outcome = {True: say("correct"), False: say("wrong"), None: say("undecided")}[correct]
    return f"{spaced(result.forecast.label)} ({outcome})"


def evidence_of(reading: Reading) -> str:
    """The evidence, and where it is inconclusive whether the interval rules out a loss beyond the margin."""
    not_worse = reading.not_worse and reading.evidence == "inconclusive"
    return say("inconclusive (not worse)") if not_worse else spaced(reading.evidence)


def label_of(reading: Reading) -> str:
    """The label, in its colour where it is conclusive, else in brackets: a sign alone is no finding."""
    if reading.label is None:
        return "-"
    label = spaced(reading.label)
    return Toned(label, reading.label) if reading.evidence == "conclusive" else f"({label})"


def evidence_words(result: Result, reading: Reading) -> str:
    """The evidence, marked where it rests on a p that is not adjusted for the number of questions."""
    unadjusted = reading.p_holm is None and result.control is None
    evidence = evidence_of(reading)
    return say("{evidence} (unadjusted)", evidence=evidence) if unadjusted else evidence


def needed(reading: Reading) -> str:
    """The repeats or the groups, each alone, that would show the observed gain; a dash where it was shown."""
    if impractical(reading):
        return say("not practically detectable")
    repeats, groups = (None if n is None else f"{n:,}" for n in (reading.repeats_needed, reading.groups_needed))
    if repeats and groups:
        return say("{repeats} repeats or {groups} groups", repeats=repeats, groups=groups)
    if repeats:
        return say("{repeats} repeats", repeats=repeats)
    return say("{groups} groups", groups=groups) if groups else "-"


def impractical(reading: Reading) -> bool:
    """Whether the observed gain would take more than ten times the repeats and ten times the groups to show."""
    none = reading.repeats_needed is None and reading.groups_needed is None
    return none and any(IMPRACTICAL in reason for reason in reading.reasons)


def failed_words(result: Result) -> str:
    """How many trainings of each arm failed; empty where none did."""
    return ", ".join(
        say("{count} of {all} of {arm}", count=count, all=result.trainings, arm=spaced(arm))
        for arm, count in result.failed.items()
    )


def advised(result: Result, metric: str) -> list[str]:
    """The gain over the best baseline, and which that was; nothing where the target has a single one."""
    if result.advice is None:
        return []
    return [
        say(
            "Over the baseline of {target} that validation prefers (by trainings: {best}): {evidence}, gain {gain} in "
            "{metric}.",
            target=result.target,
            best=counted({name: count for name, count in result.advice.baselines.items() if count}),
            evidence=evidence_of(result.advice),
            gain=interval(result.advice),
            metric=metric_name(metric),
        )
    ]


def capitalised(text: str) -> str:
    """The same text with a capital first letter."""
    return text[:1].upper() + text[1:]
