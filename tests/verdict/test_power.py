"""Power: the promised share of runs detects the gain, by brute force; and the limit of many folds."""

import numpy as np
import pytest
from scipy.stats import norm

from pipeline.verdict.power import MOST_FOLDS, Precision, folds_needed, half_width, smallest_detectable_gain
from pipeline.verdict.seed_variance import SEED_VARIANCES, FoldSpread, posterior

GROUPS = 0.02**2  # variance of the pooled gain between resamples of groups


def spread_of(ratio, folds):
    within = folds * GROUPS
    return FoldSpread(folds=folds, between=ratio * within, within=within, shares=1 / folds)


def precision(ratio, folds):
    return Precision(GROUPS, spread_of(ratio, folds))


@pytest.mark.parametrize(("ratio", "folds"), [(0.1, 3), (1.0, 3), (6.0, 3), (1.0, 5), (3.0, 10)])
def test_half_of_a_width_leaves_alpha_outside(ratio, folds):
    spread = spread_of(ratio, folds)
    rng = np.random.default_rng(0)
    variance = GROUPS + spread.within * spread.shares * rng.choice(SEED_VARIANCES, 400_000, p=posterior(ratio, folds))
    samples = rng.standard_normal(400_000) * np.sqrt(variance)
    found = half_width(ratio, GROUPS, spread.within * spread.shares, folds, 0.05)
    assert (np.abs(samples) > found).mean() == pytest.approx(0.05, abs=0.002)


@pytest.mark.parametrize(("ratio", "folds"), [(0.1, 3), (1.0, 3), (1.0, 5), (3.0, 10)])
def test_it_is_found_by_four_of_five_runs(ratio, folds):
    """Runs drawn one by one: a seed variance, fold gains with it, their own spread, their own interval."""
    spread = spread_of(ratio, folds)
    gain = smallest_detectable_gain(Precision(GROUPS, spread), 0.05)
    rng = np.random.default_rng(1)
    found = 0
    runs = 1_500
    for seed_variance in rng.choice(SEED_VARIANCES, runs, p=posterior(ratio, folds)):
        fold_gains = gain + rng.normal(0, np.sqrt(spread.within * (1 + seed_variance)), folds)
        again = fold_gains.var(ddof=1) / spread.within
        found += fold_gains.mean() > half_width(again, GROUPS, spread.within / folds, folds, 0.05)
    assert found / runs == pytest.approx(0.8, abs=0.035)


def test_with_many_folds_it_is_the_closed_form():
    gain = smallest_detectable_gain(precision(1.0, 5_000), 0.05)
    assert gain == pytest.approx((norm.ppf(0.975) + norm.ppf(0.8)) * GROUPS**0.5, rel=0.02)


def test_it_grows_with_seed_variance_and_with_power_and_level():
    by_ratio = [smallest_detectable_gain(precision(ratio, 3), 0.05) for ratio in (0.1, 1.0, 10.0, 1e3, 1e6)]
    assert by_ratio == sorted(by_ratio) and np.isfinite(by_ratio).all()
    asked = [smallest_detectable_gain(precision(1.0, 3), alpha, power) for alpha, power in
             ((0.2, 0.5), (0.05, 0.5), (0.05, 0.8), (0.01, 0.8), (0.01, 0.95))]  # fmt: skip
    assert asked == sorted(asked)


@pytest.mark.parametrize(("ratio", "share"), [(0.5, 0.5), (1.0, 0.7), (1.0, 0.25)])
def test_the_folds_that_are_needed_find_the_gain_and_one_fewer_does_not(ratio, share):
    """Runs of other numbers of folds, drawn one by one from the posterior of a run of three folds."""
    now = spread_of(ratio, 3)
    gain = share * smallest_detectable_gain(precision(ratio, 3), 0.05)
    folds = folds_needed(-gain, precision(ratio, 3), 0.05)
    assert folds > 3
    rng = np.random.default_rng(1)

    def found(count):
        runs = 1_000
        seed_variance = rng.choice(SEED_VARIANCES, runs, p=posterior(ratio, 3))
        gains = gain + rng.normal(0, np.sqrt(now.within * (1 + seed_variance)), (count, runs))
        ratios = gains.var(axis=0, ddof=1) / now.within
        half = [half_width(again, GROUPS * 3 / count, now.within / count, count, 0.05) for again in ratios]
        return (gains.mean(0) > half).mean()

    assert found(folds) > 0.77
    assert folds == 4 or found(folds - 1) < 0.83


def test_more_folds_are_needed_than_were_tested_and_not_any_number_of_them():
    detectable = smallest_detectable_gain(precision(1.0, 3), 0.05)
    assert folds_needed(3 * detectable, precision(1.0, 3), 0.05) == 4
    assert folds_needed(0.0, precision(1.0, 3), 0.05) is None
    assert folds_needed(1e-6, precision(1.0, 3), 0.05) is None
    by_level = [folds_needed(detectable / 2, precision(1.0, 3), alpha) for alpha in (0.05, 0.05 / 6)]
    assert 3 < by_level[0] < by_level[1] < MOST_FOLDS
