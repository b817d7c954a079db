"""Tests of difference against closed forms and brute force."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from pipeline.verdict.significance import (
    holm,
    mcnemar,
    p_equivalence,
    p_two_sided,
    probability_of_improvement,
)


def outcomes(gained, lost, both=7):
    right = [(True, False)] * gained + [(False, True)] * lost + [(True, True)] * both
    return np.array(right, bool).T


@given(st.integers(0, 12), st.integers(0, 12))
def test_mcnemar_exact_is_the_binomial_sum(gained, lost):
    n = gained + lost
    p = mcnemar(*outcomes(gained, lost))
    if n == 0:
        assert p is None
    else:
        tail = sum(math.comb(n, i) for i in range(min(gained, lost) + 1)) / 2**n
        assert p == pytest.approx(min(1.0, 2 * tail))


def test_mcnemar_large_is_edwards_chi_square():
    p = mcnemar(*outcomes(30, 15))
    assert p == pytest.approx(2 * norm.sf((30 - 15 - 1) / math.sqrt(45)))
    assert mcnemar(*outcomes(20, 20)) == 1.0


def test_bootstrap_p_values_agree_with_intervals():
    samples = np.sort(np.random.default_rng(0).normal(0.02, 0.01, 20_001))
    p = p_two_sided(samples)
    assert p == pytest.approx(2 * norm.sf(2), abs=0.004)
    assert p == p_two_sided(-samples[::-1])
    assert p_two_sided(np.full(99, 0.1)) == pytest.approx(0.02)  # never 0
    assert p_two_sided(np.zeros(99)) == 1.0
    low, high = np.quantile(samples, [0.05, 0.95])
    widest = max(-low, high)
    assert p_equivalence(samples, widest * 1.01) < 0.05 < p_equivalence(samples, widest * 0.99)
    assert p_equivalence(samples, 0.0) >= 0.5


@given(st.lists(st.none() | st.floats(0, 1), max_size=6))
def test_holm_equals_the_definition(values):
    p_values = {f"transfer {i}": p for i, p in enumerate(values)}
    adjusted = holm(p_values)
    assert list(adjusted) == list(p_values)
    known = [p for p in p_values.values() if p is not None]
    for name, p in p_values.items():
        if p is None:
            assert adjusted[name] is None
        else:
            steps = [min(1, (len(known) - sum(o < q for o in known)) * q) for q in known if q <= p]
            assert adjusted[name] == pytest.approx(max(steps))


def test_probability_of_improvement_counts_ties_half():
    assert probability_of_improvement([0.1, 0.0, -0.1, 0.2]) == 0.625
    assert probability_of_improvement([0.1, None]) == 1.0
    assert probability_of_improvement([None]) is None
