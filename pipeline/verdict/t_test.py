"""The interval of a gain: Student's t with a variance that both groups of images and trainings share.

Two images resemble each other for two reasons: they are of one group, or one training judged them. Groups and trainings
are crossed, since a group meets other trainings in every repeat. So the variance is that of two-way clustering
(Cameron, Gelbach and Miller 2011): the part of groups, plus the products of *different* groups in one training. The
second part is taken after removing every group's mean over repeats, and divided by what that leaves of it. Degrees of
freedom are Satterthwaite's (1946), with an effective number of groups (Carter, Schnepel and Steigerwald 2017).

Both parts together are unbiased where what sets groups apart is new in every repeat. Where it lasts they are too large,
by up to (sqrt((m - 1) / m) + 1 / m)^2 with m groups a training: 16 % of the variance for 6.

One repeat cannot tell trainings from groups, so that its interval is Student's over folds.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.stats import t as student

from pipeline.verdict.metrics import Array
from pipeline.verdict.pairs import ROUNDING, UndefinedGain
from pipeline.verdict.trainings import Trainings, defined


@dataclass(frozen=True)
class Components:
    """The variance of a gain over R >= 2 repeats, by its causes, in squared units of the metric.

    Attributes:
        groups, folds, repeats: G; K, the trainings of a repeat; R.
        groups_variance: V_g, from groups, over these R repeats. groups_degrees: nu_g, the effective groups less one.
        training_variance: V_l, of the gain, from what all groups of a training share.
        seed_variance: sigma_b^2, the same of a single training's gain; an estimate, so that it may be negative.
        redrawn_variance: V_e, of the gain of one repeat, from what changes in a group between repeats.
        lasting_variance: V_a, of the gain, from what stays in a group: more repeats do not reduce it.
    """

    groups: int
    folds: float
    repeats: int
    groups_variance: float
    groups_degrees: float
    training_variance: float
    seed_variance: float
    redrawn_variance: float
    lasting_variance: float


@dataclass(frozen=True)
class Estimate:
    """A mean over trainings with its standard error, both in units of the metric.

    Attributes:
        degrees: of freedom of Student's t. components: None from one repeat.
        scores: (units,) what each group (of one repeat: each training) adds to the value: their squares sum to the
            groups' part of the variance (of one repeat: to all of it).
        notes: caveats, one sentence each.
    """

    value: float
    standard_error: float
    degrees: float
    components: Components | None
    notes: tuple[str, ...]
    scores: Array = field(repr=False, compare=False)

    def interval(self, level: float) -> tuple[float, float]:
        """The two-sided interval that leaves out the truth with probability `level`, such as .05."""
        half = float(student.ppf(1 - level / 2, self.degrees)) * self.standard_error
        return self.value - half, self.value + half

    @property
    def p(self) -> float:
        """Of the two-sided t-test that the true value is 0."""
        return float(2 * student.sf(abs(self.value) / self.standard_error, self.degrees))


def estimate(trainings: Trainings) -> Estimate:
    """The mean of a metric, or a gain, over trainings, and its uncertainty.

    Raises:
        UndefinedGain: fewer than two trainings with a value or fewer than two groups, or no variance at all.
    """
    total, kept = len(trainings.values), defined(trainings)
    lost = total - len(kept.values)
    notes = (f"{lost} of {total} trainings were left out: the metric is undefined there",) if lost else ()
    if len(kept.values) < 2:
        raise UndefinedGain(f"{len(kept.values)} training(s) with a defined metric: seed variance needs at least two")
    if kept.influences.shape[1] < 2:
        raise UndefinedGain("fewer than 2 groups: nothing tells how the gain varies between groups")
    found = _over_folds(kept, notes) if kept.repeats == 1 else _over_repeats(kept, notes)
    if found.standard_error < ROUNDING:
        raise UndefinedGain("every training gives the same gain: the arms do not differ enough to build an interval")
    return found


def _over_folds(trainings: Trainings, notes: tuple[str, ...]) -> Estimate:
    """Student's t over the folds of one repeat, weighted by their shares."""
    value, degrees = trainings.mean(), len(trainings.values) - 1
    scores = np.sqrt(trainings.shares / degrees) * (trainings.values - value)
    if ((trainings.members > 0) & (trainings.members < 1)).any():
        notes += ("groups are split between folds, so that an interval of one repeat is too narrow",)
    return Estimate(value, float(np.sqrt((scores**2).sum())), degrees, None, notes, scores)


def _over_repeats(trainings: Trainings, notes: tuple[str, ...]) -> Estimate:
    """The crossed variance.

    With s_j the share of training j in its repeat, e_jg the influence of group g, m_j the groups in j, and w_g what
    the group counts in the mean:

        x_jg = sqrt(m_j / (m_j - 1)) s_j e_jg + w_g (value_j - mean)       what g adds to the mean of the repeat
        V_g  = G / (G - 1) sum_g (z_g - mean of z)^2                       z_g: mean over repeats of x summed over j
        sigma_b^2: see `_seed_variance`;  V_l = max(0, sigma_b^2) / R^2 sum_j sum_{g != h} w_jg w_jh
        nu_g = (sum w^2)^2 / sum w^4 - 1
        nu   = min((V_g + V_l)^2 / (V_g^2 / nu_g + V_l^2 / (J - R)), J - 1)

    A group whose images are split between folds counts in each by its share there (w_jg = w_g times that share).
    """
    value, repeats, members = trainings.mean(), trainings.repeats, trainings.members
    j, g = members.shape
    w = trainings.shares @ trainings.counts / repeats
    m = np.count_nonzero(members, axis=1)
    several = np.sqrt(np.divide(m, m - 1, out=np.zeros(j), where=m > 1))  # a lone group has no influence of its own
    x = (several * trainings.shares)[:, None] * trainings.influences
    x = x + members * w * (trainings.values - value)[:, None]
    z = np.stack([x[trainings.repeat == r].sum(0) for r in range(repeats)])
    scores = np.sqrt(g / (g - 1)) * (z.mean(0) - z.mean())
    by_groups, degrees = float((scores**2).sum()), max(1.0, float((w**2).sum() ** 2 / (w**4).sum()) - 1)
    sigma2 = _seed_variance(x - members * z.mean(0), members, w, repeats)
    by_trainings = max(0.0, sigma2) / repeats**2 * _unlike(members * w, members * w)
    redrawn = float(z.var(0, ddof=1).sum())
    lasting = max(0.0, by_groups - redrawn / repeats)
    parts = Components(g, j / repeats, repeats, by_groups, degrees, by_trainings, sigma2, redrawn, lasting)
    error = float(np.sqrt(by_groups + by_trainings))
    return Estimate(value, error, satterthwaite(by_groups, degrees, by_trainings, j, repeats), parts, notes, scores)


def satterthwaite(
    by_groups: float, groups_degrees: float, by_trainings: float, trainings: float, repeats: int
) -> float:
    """Degrees of freedom of the sum of two variances (Satterthwaite 1946), at most the trainings less one."""
    below = by_groups**2 / groups_degrees + by_trainings**2 / max(1.0, trainings - repeats)
    return min((by_groups + by_trainings) ** 2 / below, trainings - 1.0) if below > 0 else trainings - 1.0


def _seed_variance(apart: Array, members: Array, w: Array, repeats: int) -> float:
    """sigma_b^2: the variance of a training's gain that all of its groups share.

    Of different groups g, h in one training, the products of what is left of each after removing its own mean over
    repeats, over the expectation of these products at a variance of 1. Where no group is split between folds that is
    w_g w_h (1 - 2 / R + t_gh / R^2), t_gh being the number of repeats in which g and h share a training. Sums over
    pairs are written as squares of sums less sums of squares.

    Args:
        apart: (J, G), D = x - members z.
    """
    inside = members * w
    together = members @ inside.T  # (J, J): what two trainings test in common
    met = (together**2).sum() - (w**2 * (members**2).sum(0) ** 2).sum()
    expected = _unlike(inside, inside) - 2 / repeats * _unlike(inside, inside * members) + met / repeats**2
    return _unlike(apart, apart) / float(expected) if expected > ROUNDING else 0.0


def _unlike(one: Array, other: Array) -> float:
    """Sum over trainings j and pairs of different groups g, h of one[j, g] other[j, h]."""
    return float((one.sum(1) * other.sum(1)).sum() - (one * other).sum())
