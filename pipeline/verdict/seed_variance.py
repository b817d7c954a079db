"""Posterior of the seed variance: how much the gains of folds differ beyond what their groups explain.

Every fold is one training run of each arm. The effect of a run's seed moves all images of its fold together, so a
bootstrap of groups cannot see it. K fold gains have the sample variance S2, of which groups explain W. Then
u = W / (W + seed variance) has the likelihood u^((K - 1) / 2) exp(-u (K - 1) S2 / (2 W)).

The prior is a spike and a slab (Mitchell & Beauchamp 1988). With SPIKE_PROBABILITY the seed variance is zero (u = 1);
else log u is uniform (Jeffreys' prior of a scale) up to a seed variance of LARGEST_VARIANCE times W. Folds that agree
leave most weight on the spike. Folds that disagree remove it, and the result is close to Student's t over the K fold
gains (Ibragimov & Mueller 2010). SPIKE_PROBABILITY was chosen by simulation, so that coverage is near nominal at any
seed variance; benchmarks/simulate_verdict.md shows where intervals are too wide or too narrow.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.verdict.metrics import Array
from pipeline.verdict.pairs import UndefinedGain

SPIKE_PROBABILITY = 3 / 8  # prior probability of no seed variance
LARGEST_VARIANCE = 1e3  # upper end of the prior of the seed variance, in units of W
GRID = np.geomspace(1 / LARGEST_VARIANCE, 1, 1_000)  # values of u, 0.7 % apart
SEED_VARIANCES = 1 / GRID - 1  # the same grid as seed variances, in units of W


@dataclass(frozen=True)
class FoldSpread:
    """The variance between folds.

    Attributes:
        folds: their number. between: S2, their sample variance. within: W, the part that groups explain, above 0.
        shares: sum of the folds' squared shares in the pooled value: a seed variance `s` of each fold adds `s * shares`
            to the variance of the pooled value.
    """

    folds: int
    between: float
    within: float
    shares: float

    @property
    def ratio(self) -> float:
        """S2 / W: about 1 without seed variance."""
        return self.between / self.within


def fold_spread(observed: Array, resampled: Array, share: Array) -> FoldSpread:
    """Measure the variance between folds, and the part of it that groups explain.

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
    """Posterior probabilities (grid,) of SEED_VARIANCES, given folds with S2 / W = `ratio`."""
    prior = np.full(len(GRID), (1 - SPIKE_PROBABILITY) / len(GRID))
    prior[-1] += SPIKE_PROBABILITY
    log_posterior = np.log(prior) + (folds - 1) / 2 * (np.log(GRID) - GRID * ratio)
    weights = np.exp(log_posterior - log_posterior.max())
    probabilities: Array = weights / weights.sum()
    return probabilities


def draw_seed_effects(spread: FoldSpread, count: int, rng: np.random.Generator) -> Array:
    """Draw seed effects on the pooled value (count,): normal, with variances drawn from the posterior."""
    variance = spread.within * rng.choice(SEED_VARIANCES, size=count, p=posterior(spread.ratio, spread.folds))
    shift: Array = rng.standard_normal(count) * np.sqrt(variance * spread.shares)
    return shift
