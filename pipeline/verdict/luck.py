"""The luck of training: how much two folds' gains differ beyond what their groups explain, and how sure that is.

Every fold is one training run an arm, and what that run's luck did to the gain moves all images of the fold together:
a bootstrap of groups cannot see it. With K fold gains of sample variance S2, of which W is explained by groups,
u = W / (W + variance of the luck) has the likelihood u^((K - 1) / 2) exp(-u (K - 1) S2 / (2 W)). Its prior is a spike
and a slab (Mitchell & Beauchamp 1988): with probability NO_LUCK training is as good as free of luck (u = 1), else log u
is uniform (Jeffreys' prior of a scale) down to a luck of MOST_LUCK times what groups explain. Folds that agree leave
the spike most of the weight; folds that disagree take it away, and what is left is about Student's t over the K fold
gains (Ibragimov & Mueller 2010). NO_LUCK was chosen by simulation, so that intervals cover near their promise whatever
luck there is; benchmarks/simulate_verdict.md shows where they are too careful or too sure.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.verdict.metrics import Array
from pipeline.verdict.pairs import UndefinedGain

NO_LUCK = 3 / 8  # prior probability that the luck of training adds nothing to the spread of groups
MOST_LUCK = 1e3  # variance of the luck of training, in units of what groups explain, up to which the prior reaches
GRID = np.geomspace(1 / MOST_LUCK, 1, 1_000)  # values of u, 0.7 % apart
LUCK = 1 / GRID - 1  # the same as variances of the luck, in units of what groups explain


@dataclass(frozen=True)
class FoldSpread:
    """How far the folds' values lie apart.

    Attributes:
        folds: how many. between: S2, their sample variance. within: W, what of it groups explain, above 0.
        shares: sum of squared shares of the folds in the pooled value, so that a variance `s` of each fold's luck adds
            `s * shares` to the variance of the pooled value.
    """

    folds: int
    between: float
    within: float
    shares: float

    @property
    def ratio(self) -> float:
        """S2 / W: about 1 where training has no luck."""
        return self.between / self.within


def fold_spread(observed: Array, resampled: Array, share: Array) -> FoldSpread:
    """Measure how far the folds' values lie apart, and how far groups alone would have taken them.

    Args:
        observed: (folds,) values; resampled: (r, folds) the same in resamples of groups; share: (folds,) of all weight.

    Raises:
        UndefinedGain: groups do not differ inside any fold.
    """
    centred = (resampled - observed)[~np.isnan(resampled).any(1)]
    within = float(centred.var(axis=1, ddof=1).mean()) if len(centred) else 0.0
    if within <= 0:
        raise UndefinedGain("groups do not differ inside any fold: nothing to measure the folds' differences against")
    return FoldSpread(len(observed), float(observed.var(ddof=1)), within, float(np.square(share).sum()))


def posterior(ratio: float, folds: int) -> Array:
    """Give the probabilities (grid,) of LUCK after folds with S2 / W = `ratio` were seen."""
    prior = np.full(len(GRID), (1 - NO_LUCK) / len(GRID))
    prior[-1] += NO_LUCK
    log_posterior = np.log(prior) + (folds - 1) / 2 * (np.log(GRID) - GRID * ratio)
    weights = np.exp(log_posterior - log_posterior.max())
    probabilities: Array = weights / weights.sum()
    return probabilities


def draw_luck(spread: FoldSpread, count: int, rng: np.random.Generator) -> Array:
    """Draw what the luck of training adds to the pooled value (count,): normal, of a variance from its posterior."""
    variance = spread.within * rng.choice(LUCK, size=count, p=posterior(spread.ratio, spread.folds))
    shift: Array = rng.standard_normal(count) * np.sqrt(variance * spread.shares)
    return shift
