"""Planning: the smallest gain that a run would detect, and the repeats or groups that a smaller one needs.

The variance of a gain at R repeats of K folds on c times the groups, from the components of one run (t_test.py):

    V = V_a / c + V_e / (c R) + sigma_b^2 (1 - K / (c G)) / (K R)

More repeats reduce all of it but V_a, which lies in the groups: only more groups reduce that. A true gain is detected
with 80 % power where it is (t_{1 - level/2} + t_{.8}) standard errors (Bloom 1995).
"""

from bisect import bisect_left
from collections.abc import Callable

from scipy.stats import t as student

from pipeline.verdict.t_test import Components, satterthwaite

POWER = 0.8
MOST = 10  # times the data or the repeats; a gain that needs more is not practically detectable


def planned(components: Components, repeats: int, more_groups: float = 1.0) -> tuple[float, float]:
    """The standard error and the degrees of freedom of a run of so many repeats (at least 2).

    Args:
        more_groups: c, the groups of that run over those of the one that the components are from.
    """
    folds, groups = components.folds, components.groups * more_groups
    by_groups = (components.lasting_variance + components.redrawn_variance / repeats) / more_groups
    seed_variance = max(0.0, components.seed_variance) * max(0.0, 1 - folds / groups)
    by_trainings = seed_variance / (folds * repeats)
    groups_degrees = more_groups * (components.groups_degrees + 1) - 1
    degrees = satterthwaite(by_groups, groups_degrees, by_trainings, folds * repeats, repeats)
    return float(by_groups + by_trainings) ** 0.5, degrees


def smallest_detectable(standard_error: float, degrees: float, level: float, power: float = POWER) -> float:
    """The true gain that a two-sided t-test at `level` detects with the given power."""
    return float(student.ppf(1 - level / 2, degrees) + student.ppf(power, degrees)) * standard_error


def smallest_detectable_gain(
    components: Components, level: float, repeats: int | None = None, more_groups: float = 1.0
) -> float:
    """The gain that a run of so many repeats, and c times the groups, detects with 80 % power.

    Args:
        level: in a family of several verdicts, the strictest of Holm's levels. repeats: as many as there were, if None.
    """
    return smallest_detectable(*planned(components, repeats or components.repeats, more_groups), level)


def repeats_needed(gain: float, components: Components, level: float) -> int | None:
    """How many repeats on the same groups would detect a true gain: more than there were, or None beyond 10 times."""
    return _first(
        components.repeats, abs(gain), lambda repeats: smallest_detectable_gain(components, level, repeats=repeats)
    )


def groups_needed(gain: float, components: Components, level: float) -> int | None:
    """How many groups would detect a true gain with as many repeats: more than there were, or None beyond 10 times."""
    return _first(
        components.groups,
        abs(gain),
        lambda groups: smallest_detectable_gain(components, level, more_groups=groups / components.groups),
    )


def _first(now: int, gain: float, detectable: Callable[[int], float]) -> int | None:
    """The smallest number beyond `now` at which `gain` is detectable, at most MOST times as many."""
    numbers = range(now + 1, MOST * now + 1)
    place = bisect_left(numbers, True, key=lambda number: detectable(number) <= gain)
    return numbers[place] if place < len(numbers) else None
