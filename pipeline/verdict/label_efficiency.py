"""Label efficiency: how many times the labels training from scratch needs to match a transfer.

The learning curve of scratch (quality against the share of the labels) is made monotone by isotonic regression. It is
interpolated linearly over the logarithm of the share, where power laws (Hestness et al. 2017) are closest to straight.
If scratch matches at share s what the transfer reached at share f, scratch needs s / f times the labels. Outside the
measured shares only a bound is known: more than the largest share / f, or less than the smallest / f.

Intervals of the ratio have no closed form. They are quantiles over joint draws of all qualities from their t
distribution: groups move all of them together, seed variance each by itself (t_test.py). No image is resampled.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.verdict.arms import Tested, quality, within_trainings
from pipeline.verdict.metrics import METRICS, Array
from pipeline.verdict.pairs import ROUNDING, UndefinedGain
from pipeline.verdict.t_test import Estimate, estimate
from pipeline.verdict.trainings import defined

DRAWS = 10_000
INSIDE, ABOVE, BELOW = "inside", "above", "below"


def monotone(curves: Array) -> Array:
    """Isotonic regression of every row (r, f): the least-squares fit that never falls.

    By the max-min formula (Robertson, Wright & Dykstra 1988, section 1.4), vectorised over rows:
    at i, the largest over s <= i of the smallest over t >= i of the mean from s to t.
    """
    count = curves.shape[1]
    sums = np.concatenate([np.zeros((len(curves), 1)), np.cumsum(curves, axis=1)], axis=1)

    def smallest(s: int, i: int) -> Array:
        ends = np.arange(i + 1, count + 1)
        means: Array = (sums[:, ends] - sums[:, [s]]) / (ends - s)
        return means.min(1)

    return np.stack([np.max([smallest(s, i) for s in range(i + 1)], axis=0) for i in range(count)], axis=1)


def times_the_labels(fractions: Array, scratch: Array, reached: Array, fraction: float) -> Array:
    """How many times the labels scratch needs to match what a transfer reached with `fraction` of them.

    Args:
        fractions: (f,) ascending shares of the labels, in (0, 1].
        scratch: (r, f) scratch's quality at each, higher is better, not yet monotone. reached: (r,) the transfer's.

    Returns:
        (r,) ratios; inf where scratch matches it at no measured share, 0 where already below the smallest.
    """
    curves = monotone(scratch)
    logs, last = np.log(fractions), len(fractions) - 1
    place = (curves < reached[:, None] - ROUNDING).sum(1)  # the first share at which scratch is as good, or none
    upper, lower = np.clip(place, 1, last), np.clip(place, 1, last) - 1
    rows = np.arange(len(curves))
    low, high = curves[rows, lower], curves[rows, upper]
    way = np.divide(reached - low, high - low, out=np.zeros(len(curves)), where=high > low)
    ratios: Array = np.exp(logs[lower] + way.clip(0, 1) * (logs[upper] - logs[lower])) / fraction
    ratios[place > last] = np.inf
    at_once = place == 0
    ratios[at_once] = np.where(curves[at_once, 0] <= reached[at_once] + ROUNDING, fractions[0] / fraction, 0.0)
    return ratios


def bounded(ratio: float, fraction: float, fractions: Array) -> dict[str, Any]:
    """A ratio as a finite value and its side; `above` and `below` the measured shares the value is a bound."""
    if np.isinf(ratio):
        return {"value": float(fractions[-1] / fraction), "side": ABOVE}
    if ratio == 0:
        return {"value": float(fractions[0] / fraction), "side": BELOW}
    return {"value": float(ratio), "side": INSIDE}


def estimates(tested: Tested, trainings: Sequence[Array], metric: str) -> list[Estimate]:
    """The quality of several arms on the same test images, each with its uncertainty.

    Args:
        trainings: t arrays (n, k) of probabilities, in the order of `tested`.

    Raises:
        UndefinedGain: too few groups or trainings. An arm whose quality never varies has a standard error of 0.
    """
    found = []
    for probabilities in trainings:
        measured = within_trainings(tested, probabilities, metric)
        try:
            found.append(estimate(measured))
        except UndefinedGain:
            kept = defined(measured)
            if len(kept.values) < 2 or kept.influences.shape[1] < 2 or np.ptp(kept.values) > ROUNDING:
                raise
            units = len(kept.values) if kept.repeats == 1 else kept.influences.shape[1]
            found.append(Estimate(kept.mean(), 0.0, len(kept.values) - 1.0, None, (), np.zeros(units)))
    return found


def joint_draws(found: Sequence[Estimate], span: float, draws: int, rng: np.random.Generator) -> Array:
    """Draw qualities (draws, t) from the joint t distribution of t estimates on the same images.

    Every group (of one repeat: every fold) gets a normal factor that all t share, so that what makes images hard moves
    all arms together. Seed variance is drawn for each by itself. All is divided by one root of a chi-square over the
    fewest degrees of freedom (a multivariate t, Kotz and Nadarajah 2004).

    Args:
        span: qualities are cut to 0..span.
    """
    degrees = min(each.degrees for each in found)
    shared = np.column_stack([each.scores for each in found])  # (units, t)
    own = np.sqrt([0.0 if each.components is None else each.components.training_variance for each in found])
    moved = rng.standard_normal((draws, len(shared))) @ shared + rng.standard_normal((draws, len(found))) * own
    scale = np.sqrt(rng.chisquare(degrees, (draws, 1)) / degrees)
    values: Array = np.clip(np.array([each.value for each in found]) + moved / scale, 0, span)
    return values


def efficiency(
    tested: Tested,
    fractions: Sequence[float],
    arms: Mapping[str, Sequence[Array]],
    against: str,
    *,
    metric: str,
    alpha: float,
    seed: int,
    draws: int = DRAWS,
) -> dict[str, Any]:
    """Learning curve of every arm over shares of the labels, and how many times the labels `against` needs.

    Args:
        fractions: ascending shares of the labels. arms: for each arm its probabilities (n, k) at each of them.

    Returns:
        `curves`: arm -> a row a share: value, ci_low, ci_high. `times`: the other arms -> a row a share: value, ci_low,
        ci_high, each as `bounded` gives it. Intervals are None, with a `reason`, where nothing tells how
        a quality varies.
    """
    shares = np.asarray(fractions, np.float64)
    trainings = [probabilities for by_share in arms.values() for probabilities in by_share]
    reason, samples = None, None
    try:
        found = estimates(tested, trainings, metric)
        samples = joint_draws(found, METRICS[metric].span, draws, np.random.default_rng(seed))
    except UndefinedGain as error:
        reason = error.reason
    values = np.array([quality(tested, arm, metric) for arm in trainings], np.float64)
    place = {arm: slice(i * len(shares), (i + 1) * len(shares)) for i, arm in enumerate(arms)}
    levels, sign = [alpha / 2, 1 - alpha / 2], 1 if METRICS[metric].higher_is_better else -1

    def times(arm: str, at: int) -> dict[str, Any]:
        fraction = float(shares[at])

        def ratios(table: Array) -> Array:
            reached = sign * table[:, place[arm]][:, at]
            return times_the_labels(shares, sign * table[:, place[against]], reached, fraction)

        # no interpolation: a quantile must be one of the ratios, some of which are infinite
        ends: Any = [] if samples is None else np.quantile(ratios(samples), levels, method="inverted_cdf")
        return _row([bounded(ratio, fraction, shares) for ratio in (ratios(values[None])[0], *ends)])

    def curve(arm: str) -> list[dict[str, Any]]:
        ends: Any = [] if samples is None else np.quantile(samples[:, place[arm]], levels, axis=0)
        return [_row(column.tolist()) for column in np.array([values[place[arm]], *ends]).T]

    return {
        "fractions": shares.tolist(),
        "curves": {arm: curve(arm) for arm in arms},
        "times": {arm: [times(arm, at) for at in range(len(shares))] for arm in arms if arm != against},
        "reason": reason,
    }


def _row(found: list[Any]) -> dict[str, Any]:
    return dict(zip(("value", "ci_low", "ci_high"), [*found, None, None], strict=False))
