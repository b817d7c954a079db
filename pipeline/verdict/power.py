"""Power analysis: the smallest gain that a run like this one detects, and the folds that a smaller gain needs.

A further run would estimate a true gain g with variance V + w v. V comes from groups. w v comes from seed variance
(seed_variance.py; w is the within variance times the folds' shares). The width of its interval depends on its own
variance ratio (1 + v) chi2(K - 1) / (K - 1), which varies a lot with few folds. The gain is detected where the estimate
exceeds half of that width. Both probabilities are averaged over the posterior of v. So the result is an assurance
(O'Hagan, Stevens & Campbell 2005) rather than a power at one assumed variance. With many folds it approaches
(z_alpha/2 + z_power) standard errors (Bloom 1995). Conclusive gains of the wrong sign are neglected.
"""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import chi2

from pipeline.verdict.metrics import Array
from pipeline.verdict.seed_variance import SEED_VARIANCES, FoldSpread, posterior

POWER = 0.8
MOST_FOLDS = 10_000  # upper end of the search
RATIOS = np.geomspace(1e-2, 1e4, 40)  # of the variances between and within folds, for which widths are tabulated
QUANTILES = (np.arange(40) + 0.5) / 40
THINNED = 4  # neighbours on the grid of seed variances that are merged: 3 % apart
THINNED_VARIANCES = SEED_VARIANCES[THINNED - 1 :: THINNED]  # the last of each, so that zero stays zero


@dataclass(frozen=True)
class Precision:
    """The variance of a run's gain, by its causes.

    Attributes:
        groups: V, the variance of the pooled gain between resamples of groups. spread: of the folds' gains.
    """

    groups: float
    spread: FoldSpread


def smallest_detectable_gain(precision: Precision, alpha: float, power: float = POWER) -> float:
    """The true gain that a run like this one detects with the given power, by a two-sided test of level alpha.

    Args:
        alpha: in a family of several verdicts, the strictest of Holm's levels.
    """
    error, half = _planned(precision, precision.spread.folds, alpha)
    weights = _posterior(precision.spread.ratio, precision.spread.folds)

    def missing(gain: float) -> float:
        return power - _assurance(gain, error, half, weights)

    return float(brentq(missing, 0, half.max() + ndtri(power) * error.max() + 1e-9, rtol=1e-4))


def folds_needed(gain: float, precision: Precision, alpha: float, power: float = POWER) -> int | None:
    """How many folds as large as this run's would detect a true gain; more than were tested.

    More folds bring more groups and a better estimate of seed variance. The observed gain stands for the true one, so
    take the result as an order of magnitude. None where the gain is 0, or where MOST_FOLDS are not enough.
    """
    weights = _posterior(precision.spread.ratio, precision.spread.folds)

    def enough(folds: int) -> bool:
        return _assurance(abs(gain), *_planned(precision, folds, alpha), weights) >= power

    more = range(precision.spread.folds + 1, MOST_FOLDS + 1)
    first = bisect_left(more, True, key=enough)
    return more[first] if first < len(more) else None


def half_width(ratio: float, groups: float, unit: float, folds: int, alpha: float) -> float:
    """Half the width of a run's interval, given the variance ratio S2 / W of its folds.

    It is the two-sided quantile of a scale mixture of normals: variance V + w v, with v from its posterior.

    Args:
        groups: V. unit: w.
    """
    error, weights = np.sqrt(groups + unit * THINNED_VARIANCES), _posterior(ratio, folds)

    def outside(half: float) -> float:
        return float(2 * weights @ ndtr(-half / error)) - alpha

    critical = -ndtri(alpha / 2)
    return float(brentq(outside, 0.9 * critical * error.min(), 1.1 * critical * error.max(), rtol=1e-6))


def _posterior(ratio: float, folds: int) -> Array:
    weights: Array = posterior(ratio, folds).reshape(-1, THINNED).sum(1)
    return weights


def _planned(precision: Precision, folds: int, alpha: float) -> tuple[Array, Array]:
    """For a run of `folds` such folds: standard errors (variances, 1) and half widths (variances, QUANTILES)."""
    share = precision.spread.folds / folds
    groups, unit = precision.groups * share, precision.spread.within * precision.spread.shares * share
    ratios = (1 + THINNED_VARIANCES)[:, None] * chi2.ppf(QUANTILES, folds - 1) / (folds - 1)
    widths = [half_width(ratio, groups, unit, folds, alpha) for ratio in RATIOS]
    half = np.exp(np.interp(np.log(ratios), np.log(RATIOS), np.log(widths)))
    return np.sqrt(groups + unit * THINNED_VARIANCES)[:, None], half


def _assurance(gain: float, error: Array, half: Array, weights: Array) -> float:
    return float(weights @ ndtr((gain - half) / error).mean(1))
