"""Levels of planned looks, against constants in the literature, SciPy's normal integral, and simulation."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from pipeline.verdict.looks import look_of, never_crossed, nominal_level


@pytest.mark.parametrize(
    ("looks", "level"),
    [((1, 2), 0.0294), ((1, 2, 3), 0.0221), ((1, 2, 3, 4), 0.0182), ((1, 2, 3, 4, 5), 0.0158)],
)
def test_equal_looks_have_pococks_levels(looks, level):
    """Pocock 1977, table 1; Jennison and Turnbull 1999, table 2.1."""
    assert nominal_level(0.05, looks) == pytest.approx(level, abs=5e-5)


@pytest.mark.parametrize("looks", [(3, 6, 12), (1, 9), (2, 3, 10, 11)])
def test_it_is_the_multivariate_normal_probability(looks):
    r = np.array(looks, float)
    correlation = np.sqrt(np.minimum.outer(r, r) / np.maximum.outer(r, r))
    normal = multivariate_normal(np.zeros(len(r)), correlation, seed=0, maxpts=1_000_000)
    critical = norm.isf(nominal_level(0.05, looks) / 2)
    found = normal.cdf(np.full(len(r), critical), lower_limit=np.full(len(r), -critical))
    assert found == pytest.approx(0.95, abs=2e-4)


def test_doubling_looks_conclude_falsely_in_five_of_a_hundred():
    rng, looks = np.random.default_rng(0), (3, 6, 12)
    sums = np.cumsum(rng.standard_normal((100_000, 12)), axis=1)
    z = np.abs(sums[:, [n - 1 for n in looks]]) / np.sqrt(looks)
    level = nominal_level(0.05, looks)
    assert (z > norm.isf(level / 2)).any(1).mean() == pytest.approx(0.05, abs=0.002)
    assert (z > norm.isf(0.025)).any(1).mean() > 0.09  # what planning is for
    assert level == pytest.approx(0.0208, abs=1e-4)


def test_one_look_is_alpha_and_more_looks_are_stricter():
    assert nominal_level(0.05, ()) == nominal_level(0.05, (5,)) == 0.05
    levels = [nominal_level(0.05, tuple(range(1, n + 1))) for n in range(1, 7)]
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] > 0.05 / 6
    assert never_crossed(norm.isf(0.025), (4,)) == pytest.approx(0.95, abs=1e-9)


@pytest.mark.parametrize("looks", [(0, 3), (3, 3), (6, 3), (-1,)])
def test_looks_that_do_not_ascend_are_refused(looks):
    with pytest.raises(ValueError, match="ascending"):
        nominal_level(0.05, looks)


def test_a_look_is_taken_once_its_repeats_are_there():
    assert [look_of(n, (3, 6, 12)) for n in (1, 3, 5, 6, 12, 20)] == [0, 1, 1, 2, 3, 3]
    assert look_of(3, ()) == 0
