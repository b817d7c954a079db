"""Format numbers, intervals and readings: phrases that several sections use."""

from collections.abc import Mapping
from typing import Any

from pipeline.results.result import EqualQuality, Forecast, Interval, Reading, Result

METRIC_NAMES = {"macro_f1": "macro F1", "roc_auc": "ROC AUC", "ece": "calibration error"}  # others are spelt as words
IMPRACTICAL = "not practically detectable"


def number(value: float | None, form: str = ".3f") -> str:
    """A number in a given format; a dash where it is undefined."""
    return "-" if value is None else format(value, form)


def spaced(name: str) -> str:
    """A name from params as words."""
    return name.replace("_", " ")


def licence_words(licence: str) -> str:
    """A card's licence; nothing where none is needed, as of random weights."""
    return {"none": "", "not stated": "licence not stated"}.get(licence, licence)


def credit(card: Mapping[str, Any]) -> str:
    """Title, licence and citation of a dataset's card, as far as they are stated."""
    stated = [part for part in (card["title"].rstrip("."), licence_words(card["licence"])) if part]
    citation = "" if card["citation"] in ("none", "not stated") else f" {card['citation']}"
    return f"{'; '.join(stated)}.{citation}"


def distrust(what: str) -> str:
    """The warning on a result or a study of a run whose controls failed."""
    return f"Controls of this run failed: this {what} is not to be trusted."


def metric_name(metric: str) -> str:
    """A metric in the field's words."""
    return METRIC_NAMES.get(metric, spaced(metric))


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
    return f"gain [{level(outside)} interval]"


def saving(saved: float, what: str = "compute") -> str:
    """The share of compute (or time) saved, in words; where it is negative, the share spent on top."""
    return f"{saved:.0%} of the {what} saved" if saved >= 0 else f"{-saved:.0%} more {what} spent"


def equal_quality(cost: EqualQuality | None) -> str:
    """The ratio of costs to equal quality; `>`: a lower bound, since the quality was not reached."""
    if cost is None or cost.ratio is None:
        return "-"
    return f"{'' if cost.reached else '> '}{cost.ratio:.2f}"


def share_reached(reached: float | None) -> str:
    """The share of the linear probe's gain that was reached without labels, `>100%` where it is more."""
    return ">100%" if reached is not None and reached > 1 else number(reached, ".0%")


def forecast_words(forecast: Forecast | None) -> str:
    """A forecast and whether it was correct."""
    if forecast is None or forecast.label is None:
        return "-"
    outcome = {True: "correct", False: "wrong", None: "undecided"}[forecast.correct]
    return f"{forecast.label} ({outcome})"


def evidence_of(reading: Reading) -> str:
    """The evidence, and where it is inconclusive whether the interval rules out a loss beyond the margin."""
    not_worse = reading.not_worse and reading.evidence == "inconclusive"
    return f"{reading.evidence} (not worse)" if not_worse else reading.evidence


def evidence_words(result: Result, reading: Reading) -> str:
    """The evidence, marked where it rests on a p that is not adjusted for the number of questions."""
    unadjusted = reading.p_holm is None and result.control is None
    return f"{evidence_of(reading)} (unadjusted)" if unadjusted else evidence_of(reading)


def needed(reading: Reading) -> str:
    """The repeats or the groups, each alone, that would show the observed gain; a dash where it was shown."""
    parts = [
        f"{count:,} {what}"
        for count, what in ((reading.repeats_needed, "repeats"), (reading.groups_needed, "groups"))
        if count is not None
    ]
    if not parts and any(IMPRACTICAL in reason for reason in reading.reasons):
        return IMPRACTICAL
    return " or ".join(parts) or "-"


def failed_words(result: Result) -> str:
    """How many trainings of each arm failed; empty where none did."""
    counts = (f"{count} of {result.trainings} of {spaced(arm)}" for arm, count in result.failed.items())
    return ", ".join(counts)


def advised(result: Result, metric: str) -> list[str]:
    """The gain over the best baseline, and which that was; nothing where the target has a single one."""
    if result.advice is None:
        return []
    best = ", ".join(f"{name} in {count}" for name, count in result.advice.baselines.items() if count)
    return [
        f"Over the baseline of {result.target} that validation prefers (by trainings: {best}): "
        f"{evidence_of(result.advice)}, gain {interval(result.advice)} in {metric_name(metric)}."
    ]


def capitalised(text: str) -> str:
    """The same text with a capital first letter."""
    return text[:1].upper() + text[1:]
