"""The verdict on two arms: the sign of the gain and the evidence for it, all read from one interval.

`decide` judges one question from its own data; `with_holm` then adjusts all verdicts of a run for their number.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pipeline.verdict import planning
from pipeline.verdict.holm import holm
from pipeline.verdict.metrics import METRICS, Array
from pipeline.verdict.pairs import ROUNDING, PairedPredictions, UndefinedGain
from pipeline.verdict.t_test import Components, Estimate, estimate
from pipeline.verdict.trainings import Trainings, defined, gains, probability_of_improvement

DETECTABLE, REPEATS, GROUPS = "smallest_detectable_gain", "repeats_needed", "groups_needed"  # reasons begin with them
Label = Literal["positive", "negative"]
Evidence = Literal["conclusive", "equivalent", "inconclusive"]


@dataclass(frozen=True)
class Verdict:
    """A label and its evidence. Numbers are finite or None; `reasons` says why a number is None, and gives caveats.

    Attributes:
        metric, alpha, margin: the settings. level: of this look, alpha where no looks are planned (looks.py).
        images, groups, folds, repeats: the size of the test; folds are those of one repeat.
        label: `positive` iff gain > 0, else `negative`; None only where the gain itself is undefined.
        evidence: `conclusive` where p (p_holm once known) < level; else `equivalent` where the interval lies inside
            +-margin; else `inconclusive`. A small gain may be conclusive: its interval shows that it is small.
        not_worse: whether the interval ends above -margin.
        gain, ci_low, ci_high: in units of the metric, more is better; of level 1 - level, not adjusted by Holm.
        standard_error, degrees: of the gain, and of freedom of its t. p: of the two-sided t-test of no gain.
        family: number of verdicts that p_holm is adjusted for, else 1.
        probability_of_improvement: share of trainings with a gain, ties half.
        components: of the variance; None from one repeat.
        smallest_detectable_gain: at 80 % power and level / family, the strictest of Holm's levels; it may exceed the
            range of the metric. detectable_alone: the same at `level`.
        repeats_needed, groups_needed: each alone to show the observed gain at that level; only where inconclusive.
    """

    metric: str
    alpha: float
    level: float
    margin: float
    images: int
    groups: int
    folds: int
    repeats: int
    label: Label | None = None
    evidence: Evidence = "inconclusive"
    not_worse: bool | None = None
    gain: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    standard_error: float | None = None
    degrees: float | None = None
    p: float | None = None
    p_holm: float | None = None
    family: int = 1
    probability_of_improvement: float | None = None
    components: Components | None = None
    smallest_detectable_gain: float | None = None
    detectable_alone: float | None = None
    repeats_needed: int | None = None
    groups_needed: int | None = None
    reasons: tuple[str, ...] = ()


def decide(
    pairs: PairedPredictions,
    metric: str = "balanced_accuracy",
    *,
    alpha: float = 0.05,
    margin: float = 0.03,
    level: float | None = None,
) -> Verdict:
    """Judge one question by its own data; `p_holm` is None until `with_holm`.

    Degenerate inputs give None and a reason. With one fold, or fewer than two groups, the gain and its label remain and
    everything that needs a variance is None. With a single tested class the gain is None too. Arms that never differ
    have gain 0 and the label `negative`. They are inconclusive, not equivalent: n groups without a difference still
    allow one in 3 / n of them (Hanley & Lippman-Hand 1983).

    Args:
        pairs: from `pairs.pair`. metric: a name in `METRICS`.
        level: of the interval and the test, from `looks.nominal_level` where looks are planned; alpha if None.

    Raises:
        KeyError: an unknown metric.
    """
    blank = _blank(pairs, metric, alpha, alpha if level is None else level, margin)
    if len(np.unique(pairs.labels)) < 2:
        fault = "no image was tested" if not len(pairs.labels) else "all tested images are of one class"
        return replace(blank, reasons=(f"gain: {fault}",))
    trainings = gains(pairs, metric)
    if np.isnan(trainings.values).all():
        return replace(blank, reasons=(f"gain: {metric} is undefined on the tested images",))
    verdict = _observed(blank, trainings)
    try:
        found = estimate(trainings)
    except UndefinedGain as why:
        return replace(verdict, reasons=(f"interval and p: {why.reason}",))
    return _evidence(_measured(verdict, found))


def with_holm(verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """Adjust a run's verdicts for their number (Holm 1979) and judge the evidence again; pass no controls."""
    adjusted = holm({name: verdict.p for name, verdict in verdicts.items()})
    family = max(1, sum(p is not None for p in adjusted.values()))
    return {
        name: _evidence(replace(verdict, p_holm=adjusted[name], family=family)) for name, verdict in verdicts.items()
    }


def _blank(pairs: PairedPredictions, metric: str, alpha: float, level: float, margin: float) -> Verdict:
    """A verdict that holds the settings and the size of the test alone."""
    trainings, repeats = (len(np.unique(codes)) for codes in (pairs.fold, pairs.repeat))
    images = len(pairs.labels) // max(1, repeats)
    folds = round(trainings / max(1, repeats))
    return Verdict(metric, alpha, level, margin, images, len(np.unique(pairs.group)), folds, repeats)


def _observed(verdict: Verdict, trainings: Trainings) -> Verdict:
    """Add the fields that need no variance."""
    gain = defined(trainings).mean()
    gain = gain if abs(gain) > ROUNDING else 0.0
    improvement = probability_of_improvement(_known(trainings.values))
    label: Label = "positive" if gain > 0 else "negative"
    return replace(verdict, gain=gain, label=label, probability_of_improvement=improvement)


def _known(values: Array) -> list[float | None]:
    """Gains, those that differ from 0 by rounding as 0, undefined ones as None."""
    return [None if np.isnan(value) else 0.0 if abs(value) <= ROUNDING else float(value) for value in values]


def _measured(verdict: Verdict, found: Estimate) -> Verdict:
    """Add the fields that come from the standard error."""
    low, high = found.interval(verdict.level)
    return replace(
        verdict,
        not_worse=low > -verdict.margin,
        ci_low=low,
        ci_high=high,
        standard_error=found.standard_error,
        degrees=found.degrees,
        p=found.p,
        components=found.components,
        reasons=(*verdict.reasons, *found.notes),
    )


def _evidence(verdict: Verdict) -> Verdict:
    """Set the evidence, and add the plan of a run that would show more."""
    p = verdict.p if verdict.p_holm is None else verdict.p_holm
    evidence: Evidence = "inconclusive"
    if p is not None and p < verdict.level:
        evidence = "conclusive"
    elif verdict.ci_low is not None and verdict.ci_high is not None:
        inside = -verdict.margin < verdict.ci_low and verdict.ci_high < verdict.margin
        evidence = "equivalent" if inside else "inconclusive"
    return _with_plan(_with_detectable(replace(verdict, evidence=evidence)))


def _with_detectable(verdict: Verdict) -> Verdict:
    """Set the smallest detectable gains."""
    if verdict.standard_error is None or verdict.degrees is None:
        return verdict
    error, degrees = verdict.standard_error, verdict.degrees
    if verdict.components is not None:
        error, degrees = planning.planned(verdict.components, verdict.components.repeats)
    alone, strictest = (planning.smallest_detectable(error, degrees, verdict.level / n) for n in (1, verdict.family))
    reasons = [reason for reason in verdict.reasons if not reason.startswith(DETECTABLE)]
    if strictest > METRICS[verdict.metric].span:
        reasons.append(f"{DETECTABLE}: more than {verdict.metric} can gain, so that nothing could have been shown")
    return replace(verdict, detectable_alone=alone, smallest_detectable_gain=strictest, reasons=tuple(reasons))


def _with_plan(verdict: Verdict) -> Verdict:
    """Set the repeats and the groups that would show the observed gain, or say why there are none."""
    reasons = tuple(reason for reason in verdict.reasons if not reason.startswith((REPEATS, GROUPS)))
    verdict = replace(verdict, repeats_needed=None, groups_needed=None, reasons=reasons)
    if verdict.evidence != "inconclusive" or verdict.gain is None or verdict.standard_error is None:
        return verdict
    if verdict.components is None:
        why = f"{REPEATS}: one repeat cannot tell seed variance from differences between groups; train two or more"
        return replace(verdict, reasons=(*reasons, why))
    gain, level = verdict.gain, verdict.level / verdict.family
    repeats = planning.repeats_needed(gain, verdict.components, level)
    groups = planning.groups_needed(gain, verdict.components, level)
    size, most = f"a gain of {abs(gain):.2g}", f"more than {planning.MOST} times"
    if repeats is None and groups is None:
        reasons += (f"{REPEATS}: {size} is not practically detectable ({most} the repeats or groups)",)
    elif repeats is None:
        reasons += (f"{REPEATS}: {size} needs more groups, not more repeats ({most} the repeats would not show it)",)
    elif groups is None:
        reasons += (f"{GROUPS}: {size} needs more repeats, not more groups ({most} the groups would not show it)",)
    return replace(verdict, repeats_needed=repeats, groups_needed=groups, reasons=reasons)
