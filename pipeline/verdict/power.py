"""What this data could have shown: the smallest true gain that a run like this one finds, and what more would need.

Another run on data like these would estimate a true gain g by a normal variable of variance V + w v: V is what groups
do to the pooled gain, w v what the luck of training does (luck.py; w is the within variance times the folds' shares).
Its interval would not have the width of this run's: it hangs on how far its folds happen to lie apart, a variance
ratio (1 + v) chi2(K - 1) / (K - 1), and with few folds that varies a lot. The gain is found where the estimate exceeds
half of that width. Both chances are averaged over what this run leaves open about v, its posterior: the result is an
assurance (O'Hagan, Stevens & Campbell 2005) rather than a power at one assumed variance. With many folds it comes to
(z_alpha/2 + z_power) standard errors (Bloom 1995).
"""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import chi2

from pipeline.verdict.luck import LUCK, FoldSpread, posterior

RATIOS = np.geomspace(1e-2, 1e4, 40)  # of the variances between and within folds, for which widths are tabulated
QUANTILES = (np.arange(40) + 0.5) / 40
THINNED = 10  # neighbours on the grid of luck that are taken together: 7 % apart


def smallest_detectable_gain(groups: float, spread: FoldSpread, alpha: float = 0.05, power: float = 0.8) -> float:
    """Give the true gain that a two-sided test of level alpha finds with the given probability; see above.

    The chance of a conclusive gain of the wrong sign is left out, and so is the adjustment for several transfers.

    Args:
        groups: V, the variance of the pooled gain between resamples of groups. spread: of the folds' gains.
    """
    luck, weights = (grid.reshape(-1, THINNED) for grid in (LUCK, posterior(spread.ratio, spread.folds)))
    weights = weights.sum(1)
    luck = luck[:, -1]  # the last of each ten, so that no luck at all stays what it is
    unit = spread.within * spread.shares
    error = np.sqrt(groups + unit * luck)[:, None]
    ratios = (1 + luck)[:, None] * chi2.ppf(QUANTILES, spread.folds - 1) / (spread.folds - 1)
    widths = [half_width(ratio, groups, unit, spread.folds, alpha) for ratio in RATIOS]
    half = np.exp(np.interp(np.log(ratios), np.log(RATIOS), np.log(widths)))

    def missing(gain: float) -> float:
        return power - float(weights @ ndtr((gain - half) / error).mean(1))

    return float(brentq(missing, 0, half.max() + ndtri(power) * error.max() + 1e-9, rtol=1e-4))


def half_width(ratio: float, groups: float, unit: float, folds: int, alpha: float) -> float:
    """Give half the width of the interval of a run whose folds lie `ratio` apart.

    It is the two-sided quantile of a scale mixture of normals: variance V + w v, v by its posterior.

    Args:
        groups: V. unit: w.
    """
    error, weights = np.sqrt(groups + unit * LUCK), posterior(ratio, folds)

    def outside(half: float) -> float:
        return float(2 * weights @ ndtr(-half / error)) - alpha

    critical = -ndtri(alpha / 2)
    return float(brentq(outside, 0.9 * critical * error.min(), 1.1 * critical * error.max(), rtol=1e-6))


def needed(count: int, gain: float, detectable: float) -> int | None:
    """Give how many images (or folds) would have shown the observed gain with the power that `detectable` stands for.

    Variances fall with the number of images only if folds and groups grow in the same proportion, so ask for both
    counts together. Takes the observed gain for the true one, hence an order of magnitude. None where the gain is 0.
    """
    return math.ceil(count * (detectable / abs(gain)) ** 2) if gain else None
