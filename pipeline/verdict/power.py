"""What this data could have shown: the smallest true gain that a run like this one finds, and what more would need.

Another run on data like these would estimate a true gain g by a normal variable of variance V + w v: V is what groups
do to the pooled gain, w v what the luck of training does (luck.py; w is the within variance times the folds' shares).
Its interval would not have the width of this run's: it hangs on how far its folds happen to lie apart, a variance
ratio (1 + v) chi2(K - 1) / (K - 1), and with few folds that varies a lot. The gain is found where the estimate exceeds
half of that width. Both chances are averaged over what this run leaves open about v, its posterior: the result is an
assurance (O'Hagan, Stevens & Campbell 2005) rather than a power at one assumed variance. With many folds it comes to
(z_alpha/2 + z_power) standard errors (Bloom 1995). The chance of a conclusive gain of the wrong sign is left out.
"""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import chi2

from pipeline.verdict.luck import LUCK, FoldSpread, posterior
from pipeline.verdict.metrics import Array

POWER = 0.8
MOST_FOLDS = 10_000  # beyond which nobody will go
RATIOS = np.geomspace(1e-2, 1e4, 40)  # of the variances between and within folds, for which widths are tabulated
QUANTILES = (np.arange(40) + 0.5) / 40
THINNED = 4  # neighbours on the grid of luck that are taken together: 3 % apart
LUCK_THINNED = LUCK[THINNED - 1 :: THINNED]  # the last of each, so that no luck at all stays what it is


@dataclass(frozen=True)
class Precision:
    """How precisely a run measured its gain.

    Attributes:
        groups: V, the variance of the pooled gain between resamples of groups. spread: of the folds' gains.
    """

    groups: float
    spread: FoldSpread


def smallest_detectable_gain(precision: Precision, alpha: float, power: float = POWER) -> float:
    """Give the true gain that a run like this one finds with the given probability, by a two-sided test of level alpha.

    Args:
        alpha: where several transfers are adjusted for their number, the level that the least of them must pass.
    """
    error, half = _planned(precision, precision.spread.folds, alpha)
    known = _posterior(precision.spread.ratio, precision.spread.folds)

    def missing(gain: float) -> float:
        return power - _assurance(gain, error, half, known)

    return float(brentq(missing, 0, half.max() + ndtri(power) * error.max() + 1e-9, rtol=1e-4))


def folds_needed(gain: float, precision: Precision, alpha: float, power: float = POWER) -> int | None:
    """Give how many folds as large as this run's would find a true gain; more than were tested.

    More folds bring more groups, and tell the luck of training better. Takes the observed gain for the true one, hence
    an order of magnitude. None where it is 0, or where even MOST_FOLDS would not do.
    """
    known = _posterior(precision.spread.ratio, precision.spread.folds)

    def enough(folds: int) -> bool:
        return _assurance(abs(gain), *_planned(precision, folds, alpha), known) >= power

    more = range(precision.spread.folds + 1, MOST_FOLDS + 1)
    first = bisect_left(more, True, key=enough)
    return more[first] if first < len(more) else None


def half_width(ratio: float, groups: float, unit: float, folds: int, alpha: float) -> float:
    """Give half the width of the interval of a run whose folds lie `ratio` apart.

    It is the two-sided quantile of a scale mixture of normals: variance V + w v, v by its posterior.

    Args:
        groups: V. unit: w.
    """
    error, weights = np.sqrt(groups + unit * LUCK_THINNED), _posterior(ratio, folds)

    def outside(half: float) -> float:
        return float(2 * weights @ ndtr(-half / error)) - alpha

    critical = -ndtri(alpha / 2)
    return float(brentq(outside, 0.9 * critical * error.min(), 1.1 * critical * error.max(), rtol=1e-6))


def _posterior(ratio: float, folds: int) -> Array:
    weights: Array = posterior(ratio, folds).reshape(-1, THINNED).sum(1)
    return weights


def _planned(precision: Precision, folds: int, alpha: float) -> tuple[Array, Array]:
    """Give, for a run of so many folds of this size, standard errors (luck, 1) and half widths (luck, QUANTILES)."""
    share = precision.spread.folds / folds
    groups, unit = precision.groups * share, precision.spread.within * precision.spread.shares * share
    ratios = (1 + LUCK_THINNED)[:, None] * chi2.ppf(QUANTILES, folds - 1) / (folds - 1)
    widths = [half_width(ratio, groups, unit, folds, alpha) for ratio in RATIOS]
    half = np.exp(np.interp(np.log(ratios), np.log(RATIOS), np.log(widths)))
    return np.sqrt(groups + unit * LUCK_THINNED)[:, None], half


def _assurance(gain: float, error: Array, half: Array, known: Array) -> float:
    return float(known @ ndtr((gain - half) / error).mean(1))
