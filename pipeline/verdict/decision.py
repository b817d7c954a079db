"""The verdict on two arms: the sign of the gain and the evidence for it.

`decide` judges one question from its own data; `with_holm` then adjusts all verdicts of a run for their number.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pipeline.verdict import significance
from pipeline.verdict.metrics import METRICS
from pipeline.verdict.pairs import PairedPredictions, UndefinedGain, fold_gains, point_gain
from pipeline.verdict.power import MOST_FOLDS, Precision, folds_needed, smallest_detectable_gain
from pipeline.verdict.resampling import GainDistribution, bootstrap_gain

DETECTABLE, NEEDED = "smallest_detectable_gain", "images_needed"  # fields that reasons begin with
Label = Literal["positive", "negative"]
Evidence = Literal["conclusive", "equivalent", "inconclusive"]


@dataclass(frozen=True)
class Verdict:
    """A label and its evidence. Numbers are finite or None; `reasons` says why a number is None, and gives caveats.

    Attributes:
        metric, alpha, margin: the settings. images, folds, groups: the size of the test set.
        label: `positive` iff gain > 0, else `negative`; None only where the gain itself is undefined.
        evidence: `conclusive` where p (p_holm once known) < alpha; else `equivalent` where p_equivalence < alpha; else
            `inconclusive`. A small gain may be conclusive: its interval shows that it is small.
        gain, ci_low, ci_high: in units of the metric, more is better; level 1 - alpha, not adjusted by Holm.
        p: bootstrap, two-sided. p_mcnemar: takes images as independent. p_equivalence: of the TOST.
        probability_positive: share of the resampled gains above 0. probability_of_improvement: share of such folds.
        family: number of verdicts that p_holm is adjusted for, else 1. precision: input of the power analysis.
        smallest_detectable_gain: at 80 % power and level alpha / family, the strictest of Holm's levels; it may exceed
            the range of the metric. detectable_alone: the same at level alpha.
        images_needed, folds_needed: to show the observed gain at that level; only where inconclusive.
    """

    metric: str
    alpha: float
    margin: float
    images: int
    folds: int
    groups: int
    label: Label | None = None
    evidence: Evidence = "inconclusive"
    gain: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    standard_error: float | None = None
    p: float | None = None
    p_holm: float | None = None
    p_mcnemar: float | None = None
    p_equivalence: float | None = None
    probability_positive: float | None = None
    probability_of_improvement: float | None = None
    family: int = 1
    precision: Precision | None = None
    smallest_detectable_gain: float | None = None
    detectable_alone: float | None = None
    images_needed: int | None = None
    folds_needed: int | None = None
    reasons: tuple[str, ...] = ()


def decide(
    pairs: PairedPredictions,
    metric: str = "balanced_accuracy",
    *,
    seed: int,
    alpha: float = 0.05,
    margin: float = 0.01,
    resamples: int = 10_000,
) -> Verdict:
    """Judge one question by its own data; `p_holm` is None until `with_holm`.

    Degenerate inputs give None and a reason. With one fold, or fewer than two groups, the gain and its label remain and
    everything that needs a variance is None. With a single tested class the gain is None too. Arms that never differ
    have gain 0 and the label `negative`. They are inconclusive, not equivalent: n groups without a difference still
    allow one in 3 / n of them (Hanley & Lippman-Hand 1983), far more than a margin of a point.

    Args:
        pairs: from `pairs.pair`. metric: a name in `METRICS`. seed: of the resampling.

    Raises:
        KeyError: an unknown metric.
    """
    folds, groups = (len(np.unique(codes)) for codes in (pairs.fold, pairs.group))
    blank = Verdict(metric, alpha, margin, len(pairs.labels), folds, groups)
    if len(np.unique(pairs.labels)) < 2:
        found = "no image was tested" if not len(pairs.labels) else "all tested images are of one class"
        return replace(blank, reasons=(f"gain: {found}",))
    gain = point_gain(pairs, metric)
    if gain is None:
        return replace(blank, reasons=(f"gain: {metric} is undefined on the tested images",))
    verdict = replace(_observed(blank, pairs, metric), gain=gain, label="positive" if gain > 0 else "negative")
    try:
        distribution = bootstrap_gain(pairs, metric, seed=seed, resamples=resamples, alpha=alpha)
    except UndefinedGain as why:
        return replace(verdict, reasons=(*verdict.reasons, f"interval and p: {why.reason}"))
    return _evidence(_measured(verdict, distribution))


def with_holm(verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """Adjust a run's verdicts for their number (Holm 1979) and judge the evidence again; pass no controls."""
    adjusted = significance.holm({name: verdict.p for name, verdict in verdicts.items()})
    family = max(1, sum(p is not None for p in adjusted.values()))
    return {
        name: _evidence(replace(verdict, p_holm=adjusted[name], family=family)) for name, verdict in verdicts.items()
    }


def _observed(verdict: Verdict, pairs: PairedPredictions, metric: str) -> Verdict:
    """Add the fields that need no resampling."""
    right_transfer, right_baseline = (arm.argmax(1) == pairs.labels for arm in pairs.arms())
    p_mcnemar = significance.mcnemar(right_transfer, right_baseline)
    reasons = () if p_mcnemar is not None else ("p_mcnemar: both arms are right on the same images",)
    improvement = significance.probability_of_improvement(fold_gains(pairs, metric))
    if improvement is None:
        reasons = (*reasons, f"probability_of_improvement: {metric} is undefined in every fold")
    return replace(verdict, p_mcnemar=p_mcnemar, probability_of_improvement=improvement, reasons=reasons)


def _measured(verdict: Verdict, distribution: GainDistribution) -> Verdict:
    """Add the fields that come from the bootstrap distribution."""
    spread = distribution.spread
    return replace(
        verdict,
        ci_low=distribution.ci_low,
        ci_high=distribution.ci_high,
        standard_error=distribution.standard_error,
        p=significance.p_two_sided(distribution.samples),
        p_equivalence=significance.p_equivalence(distribution.samples, verdict.margin),
        probability_positive=distribution.probability_positive,
        precision=None if spread is None else Precision(distribution.groups_variance, spread),
        reasons=(*verdict.reasons, *distribution.notes),
    )


def _evidence(verdict: Verdict) -> Verdict:
    """Set the evidence from the p-values, and add the power analysis."""
    p = verdict.p if verdict.p_holm is None else verdict.p_holm
    if p is not None and p < verdict.alpha:
        evidence: Evidence = "conclusive"
    elif verdict.p_equivalence is not None and verdict.p_equivalence < verdict.alpha:
        evidence = "equivalent"
    else:
        evidence = "inconclusive"
    return _with_power(replace(verdict, evidence=evidence))


def _with_power(verdict: Verdict) -> Verdict:
    """Set the smallest detectable gain, and the images and folds that the observed gain needs."""
    level = verdict.alpha / verdict.family
    detectable = images = folds = None
    reasons = [reason for reason in verdict.reasons if not reason.startswith((DETECTABLE, NEEDED))]
    if verdict.precision is not None:
        detectable = smallest_detectable_gain(verdict.precision, level)
        if detectable > METRICS[verdict.metric].span:
            reasons.append(f"{DETECTABLE}: more than {verdict.metric} can gain, so that nothing could have been shown")
    if verdict.precision is not None and verdict.gain is not None and verdict.evidence == "inconclusive":
        folds = folds_needed(verdict.gain, verdict.precision, level)
        images = None if folds is None else math.ceil(verdict.images * folds / verdict.folds)
        if folds is None:
            size = f"{abs(verdict.gain):.2g}"
            reasons.append(f"{NEEDED}: a difference of {size} would not be shown by {MOST_FOLDS:,} folds either")
    return replace(
        verdict,
        smallest_detectable_gain=detectable,
        detectable_alone=detectable if verdict.family == 1 else verdict.detectable_alone,
        images_needed=images,
        folds_needed=folds,
        reasons=tuple(reasons),
    )
