"""Label efficiency: how many times the labels training from scratch needs to match a transfer.

The learning curve of scratch (quality against the share of the labels) is made monotone by isotonic regression. It is
interpolated linearly over the logarithm of the share, where power laws (Hestness et al. 2017) are closest to straight.
If scratch matches at share s what the transfer reached at share f, scratch needs s / f times the labels. Outside the
measured shares only a bound is known: more than the largest share / f, or less than the smallest / f.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.verdict.arms import Tested
from pipeline.verdict.metrics import METRICS, Array
from pipeline.verdict.pairs import ROUNDING, PairedPredictions, UndefinedGain
from pipeline.verdict.resampling import Resampler, defined_rows, over_units, resample, units_of
from pipeline.verdict.seed_variance import draw_seed_effects, fold_spread

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


def resample_trainings(
    tested: Tested, trainings: Sequence[Array], metric: str, *, resamples: int, seed: int
) -> tuple[Array, Array]:
    """The metric of several trainings on the same test images, and its joint bootstrap samples.

    The draws are those of resampling.py: groups inside folds, the same for all trainings, then seed effects of each.

    Args:
        trainings: t arrays (n, k) of probabilities, in the order of `tested`.

    Returns:
        values (t,), samples (2 * resamples, t).

    Raises:
        UndefinedGain: too few groups or folds, or a metric that is undefined in more than 5 % of the resamples.
    """
    used = tested.weights > 0
    fold, group = (np.unique(names[used], return_inverse=True)[1] for names in (tested.fold, tested.group))
    arms = [probabilities[used] for probabilities in trainings]
    pairs = PairedPredictions(tested.labels[used], arms[0], arms[0], fold, group, tested.weights[used])
    if len(np.unique(pairs.fold)) < 2 or len(np.unique(pairs.group)) < 2:
        raise UndefinedGain("fewer than 2 folds or groups: nothing tells how the metric varies")
    unit, strata, _ = units_of(pairs, ignore_groups=False)

    def resampler(rows: Array) -> Resampler:
        labels, weights = pairs.labels[rows], pairs.weights[rows]
        each = [over_units(METRICS[metric], labels, arm[rows], weights, unit[rows], len(strata)) for arm in arms]
        return lambda counts: np.column_stack([value(counts) for value in each])

    whole = resampler(np.ones(len(unit), bool))
    inside = [resampler(pairs.fold == fold) for fold in np.unique(pairs.fold)]
    rng, once = np.random.default_rng(seed), np.ones((1, len(strata)))
    drawn, in_folds = resample(whole, inside, strata, len(unit), resamples, rng)
    shift = _seed_effects(np.concatenate([part(once) for part in inside]), in_folds, pairs, resamples, rng)
    samples = np.concatenate([drawn + shift, drawn - shift]).clip(0, METRICS[metric].span)
    return whole(once)[0], defined_rows(samples)[0]


def _seed_effects(
    observed: Array, resampled: Array, pairs: PairedPredictions, count: int, rng: np.random.Generator
) -> Array:
    """Draw the seed effects on each training's metric (count, t); a fold's mean over trainings is its difficulty.

    Args:
        observed: (folds, t) the metric inside each fold. resampled: (r, folds, t) in resamples of groups.
    """
    share = np.bincount(pairs.fold, pairs.weights)
    observed, resampled = (x - x.mean(-1, keepdims=True) for x in (observed, resampled))
    shifts = []
    for training in range(observed.shape[1]):
        try:
            spread = fold_spread(observed[:, training], resampled[:, :, training], share / share.sum())
            shifts.append(draw_seed_effects(spread, count, rng))
        except UndefinedGain:  # its groups do not differ, so that seed variance cannot be estimated
            shifts.append(np.zeros(count))
    return np.column_stack(shifts)


def efficiency(
    tested: Tested,
    fractions: Sequence[float],
    arms: Mapping[str, Sequence[Array]],
    against: str,
    *,
    metric: str,
    alpha: float,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Learning curve of every arm over shares of the labels, and how many times the labels `against` needs.

    Args:
        fractions: ascending shares of the labels. arms: for each arm its probabilities (n, k) at each of them.

    Returns:
        `curves`: arm -> a row a share: value, ci_low, ci_high. `times`: the other arms -> a row a share: value, ci_low,
        ci_high, each as `bounded` gives it. Intervals are None, with a `reason`, where resampling is undefined.
    """
    shares = np.asarray(fractions, np.float64)
    trainings = [probabilities for by_share in arms.values() for probabilities in by_share]
    reason, samples = None, None
    try:
        values, samples = resample_trainings(tested, trainings, metric, resamples=resamples, seed=seed)
    except UndefinedGain as error:
        reason = error.reason
        values = np.array([METRICS[metric](tested.labels, arm, tested.weights) for arm in trainings], np.float64)
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
