"""Seed variance: its posterior against numerical integration, and its limits."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import t

from pipeline.verdict.pairs import UndefinedGain
from pipeline.verdict.seed_variance import (
    LARGEST_VARIANCE,
    SEED_VARIANCES,
    SPIKE_PROBABILITY,
    draw_seed_effects,
    fold_spread,
    posterior,
)


def expected_deviation(ratio, folds):
    """The mean square root of the seed variance, in units of what groups explain, by numerical integration."""

    def likelihood(u):
        return np.exp((folds - 1) / 2 * (np.log(u) - u * ratio))

    low, spike = 1 / LARGEST_VARIANCE, SPIKE_PROBABILITY
    height = (1 - spike) / np.log(LARGEST_VARIANCE)  # of the slab, over log u
    moments = [
        quad(lambda x, f=f: f(np.exp(x)) * likelihood(np.exp(x)) * height, np.log(low), 0, limit=200)[0]
        for f in (lambda u: 1.0, lambda u: np.sqrt(1 / u - 1))
    ]
    return moments[1] / (moments[0] + spike * likelihood(1.0))


@pytest.mark.parametrize(("spread", "folds"), [(0.01, 3), (0.05, 3), (0.2, 3), (0.04, 5)])
def test_fold_shift_follows_its_posterior(spread, folds):
    observed = np.linspace(-spread, spread, folds)
    rng = np.random.default_rng(0)
    resampled = observed + rng.normal(0, 0.03, size=(4_000, folds))
    shift = draw_seed_effects(fold_spread(observed, resampled, np.full(folds, 1 / folds)), 200_000, rng)
    within = (resampled - observed).var(axis=1, ddof=1).mean()
    deviation = expected_deviation(observed.var(ddof=1) / within, folds)
    expected = np.sqrt(2 / np.pi) * np.sqrt(within / folds) * deviation  # mean absolute value of a normal scale mixture
    assert np.abs(shift).mean() == pytest.approx(expected, rel=0.02)


def test_folds_that_agree_leave_the_interval_of_groups_and_folds_that_disagree_give_students_t():
    rng = np.random.default_rng(0)
    agree, disagree = (rng.choice(SEED_VARIANCES, 200_000, p=posterior(ratio, 5)) for ratio in (0.01, 80.0))
    assert np.median(agree) == 0
    gain = rng.standard_normal(200_000) * np.sqrt((1 + disagree) / 5)  # of groups and seeds, in units of W
    assert np.quantile(gain, 0.975) == pytest.approx(t.ppf(0.975, 4) * np.sqrt(80 / 5), rel=0.05)


def test_the_spread_is_that_of_folds_and_what_of_it_groups_explain():
    rng = np.random.default_rng(0)
    observed = np.array([0.1, 0.0, -0.2])
    resampled = observed + rng.normal(0, 0.03, size=(20_000, 3))
    found = fold_spread(observed, resampled, np.array([0.5, 0.25, 0.25]))
    assert (found.folds, found.shares) == (3, 0.375)
    assert found.between == pytest.approx(np.var(observed, ddof=1))
    assert found.within == pytest.approx(0.03**2, rel=0.03)
    assert found.ratio == found.between / found.within


def test_groups_that_do_not_differ_leave_nothing_to_measure_against():
    observed = np.array([0.1, 0.0])
    with pytest.raises(UndefinedGain, match="groups do not differ"):
        fold_spread(observed, np.tile(observed, (10, 1)), np.array([0.5, 0.5]))
