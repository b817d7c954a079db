"""Plans against their formula, its limits, and runs drawn one by one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nct, norm
from scipy.stats import t as student

from pipeline.verdict.planning import (
    groups_needed,
    planned,
    repeats_needed,
    smallest_detectable,
    smallest_detectable_gain,
)
from pipeline.verdict.t_test import Components

PARTS = Components(20, 3.0, 3, 0.0006, 15.0, 0.0001, 0.0012, 0.0014, 0.00013)


def test_the_formula_by_hand():
    """Three repeats of three folds on 20 groups."""
    by_groups, by_trainings = 0.00013 + 0.0014 / 3, 0.0012 * (1 - 3 / 20) / 9
    nu = min((by_groups + by_trainings) ** 2 / (by_groups**2 / 15 + by_trainings**2 / 6), 8)
    error = np.sqrt(by_groups + by_trainings)
    assert planned(PARTS, 3) == pytest.approx((error, nu))
    expected = (student.ppf(0.975, nu) + student.ppf(0.8, nu)) * error
    assert smallest_detectable_gain(PARTS, 0.05) == pytest.approx(expected)


def test_more_groups_reduce_what_repeats_cannot():
    more = planned(PARTS, 3, 4.0)[0] ** 2
    by_groups, by_trainings = (0.00013 + 0.0014 / 3) / 4, 0.0012 * (1 - 3 / 80) / 9
    assert more == pytest.approx(by_groups + by_trainings)
    assert planned(PARTS, 10**6)[0] == pytest.approx(0.00013**0.5, rel=1e-2)
    assert planned(replace(PARTS, seed_variance=0.0), 3, 10**6)[0] == pytest.approx(0, abs=1e-4)


@given(seed=st.floats(-0.001, 0.01), redrawn=st.floats(0, 0.01), lasting=st.floats(0, 0.01), repeats=st.integers(2, 30))
def test_it_falls_with_repeats_and_groups_and_level(seed, redrawn, lasting, repeats):
    redrawn += max(0, seed) / 20  # a group is one of those that its training moves
    parts = replace(PARTS, seed_variance=seed, redrawn_variance=redrawn, lasting_variance=lasting)
    now = smallest_detectable_gain(parts, 0.05, repeats)
    assert smallest_detectable_gain(parts, 0.05, repeats + 1) <= now * (1 + 1e-9)
    assert planned(parts, repeats, 1.5)[0] <= planned(parts, repeats)[0] * (1 + 1e-9)
    assert smallest_detectable_gain(parts, 0.05 / 4, repeats) >= now


def test_with_many_degrees_of_freedom_it_is_blooms_multiple():
    assert smallest_detectable(1.0, 1e6, 0.05) == pytest.approx(norm.ppf(0.975) + norm.ppf(0.8), rel=1e-4)


@pytest.mark.parametrize("degrees", [4, 8, 20])
def test_it_is_found_by_about_four_of_five(degrees):
    """Against the noncentral t, of which it is an approximation."""
    gain = smallest_detectable(1.0, degrees, 0.05)
    assert nct.sf(student.ppf(0.975, degrees), degrees, gain) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("needed", [repeats_needed, groups_needed])
def test_the_number_needed_is_the_smallest_that_does(needed):
    now = smallest_detectable_gain(PARTS, 0.05)
    gain, start = 0.7 * now, {repeats_needed: 3, groups_needed: 20}[needed]

    def at(number):
        options = {"repeats": number} if needed is repeats_needed else {"more_groups": number / 20}
        return smallest_detectable_gain(PARTS, 0.05, **options)

    found = needed(-gain, PARTS, 0.05)
    assert start < found and at(found) <= gain < at(found - 1)
    assert needed(2 * now, PARTS, 0.05) == start + 1
    assert needed(0.0, PARTS, 0.05) is None and needed(0.05 * now, PARTS, 0.05) is None
    assert needed(gain, PARTS, 0.0125) > found
