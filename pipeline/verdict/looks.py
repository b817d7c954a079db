"""Planned looks: adding repeats until it is decided, at the promised share of false conclusions.

Looking at p < .05 after each of several numbers of repeats finds something false in more than 5 % of runs. With a
stricter level at every look, the same for all (Pocock 1977), it is 5 % over all looks together.
"""

from bisect import bisect_right
from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

NODES = 128  # of the quadrature; constants are right to 1e-8


def nominal_level(alpha: float, looks: Sequence[int]) -> float:
    """The two-sided level of each look that makes the level of all looks together alpha.

    Statistics of two looks at R_i < R_j repeats have correlation sqrt(R_i / R_j), as means of growing samples have.
    What stays in groups over all repeats makes them more alike, so that the level is on the safe side.

    Args:
        looks: the planned numbers of repeats, ascending. No look or one: alpha itself.

    Raises:
        ValueError: looks that do not ascend from 1 or more.
    """
    if any(later <= sooner for sooner, later in zip((0, *looks), looks, strict=False)):
        raise ValueError(f"looks must be ascending numbers of repeats, each 1 or more; received {list(looks)}")
    return alpha if len(looks) < 2 else _level(alpha, tuple(looks))


def look_of(repeats: int, looks: Sequence[int]) -> int:
    """How many of the planned looks have been taken once so many repeats are trained."""
    return bisect_right(list(looks), repeats)


@cache
def _level(alpha: float, looks: tuple[int, ...]) -> float:
    strictest, loosest = norm.isf(alpha / 2), norm.isf(alpha / 2 / len(looks))  # Bonferroni is an upper bound
    critical = brentq(lambda c: never_crossed(c, looks) - (1 - alpha), strictest, loosest, xtol=1e-10)
    return float(2 * norm.sf(critical))


def never_crossed(critical: float, looks: Sequence[int]) -> float:
    """The probability that |Z| < critical at all looks where there is no effect.

    The sum behind Z has independent normal increments, so that the joint probability is a chain of single integrals
    (Armitage, McPherson and Rowe 1969), here by Gauss-Legendre quadrature.
    """
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    place, density = np.zeros(1), np.ones(1)  # of the sum, with the quadrature's weight
    for before, now in zip((0, *looks), looks, strict=False):
        limit = critical * now**0.5
        step = norm.pdf(limit * nodes[:, None], place, (now - before) ** 0.5)
        place, density = limit * nodes, limit * weights * (step @ density)
    return float(density.sum())
