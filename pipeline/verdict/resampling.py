"""Paired hierarchical bootstrap of the gain, over groups of images and with seed variance between folds.

*Groups* are drawn with replacement inside their fold, the same draw for both arms. A drawn group brings all of its
images: drawing images again inside drawn groups would count the variance within groups twice (Davison & Hinkley 1997,
section 3.8). From n groups n - 1 are drawn and scaled up, which makes the variance of a mean unbiased (Rao & Wu 1988);
with 15 groups a fold the plain bootstrap is 3 % too narrow.

*Folds* are not drawn: of three folds drawn with replacement, one resample in nine has a single fold. But every fold is
one training run of each arm, whose seed moves all images of the fold together. So each resample is shifted by a normal
seed effect, whose variance is drawn from its posterior (seed_variance.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import norm

from pipeline.verdict.metrics import METRICS, Array, Metric
from pipeline.verdict.pairs import PairedPredictions, UndefinedGain
from pipeline.verdict.seed_variance import FoldSpread, draw_seed_effects, fold_spread

CHUNK_FLOATS = 2**21  # size of the largest array in a chunk of resamples (16 MiB)
FOLD_RESAMPLES = 1_000  # enough for the variance explained by groups to 5 %
MOST_UNDEFINED = 0.05  # share of resamples that may lack a class before the interval is withheld

Resampler = Callable[[Array], Array]  # counts of the units (r, units) -> values (r,), or (r, trainings) of several


@dataclass(frozen=True)
class GainDistribution:
    """The gain and its bootstrap distribution, in units of the metric; positive means that the transfer is better.

    Attributes:
        gain: of the pooled test images. ci_low, ci_high: percentile interval of level 1 - alpha.
        fold_gains: the gain inside each fold, None where undefined. samples: (2 * resamples,) float64, sorted.
        folds, units: number of folds, and of groups (or images) resampled.
        groups_variance: of the gain between resamples of groups, without seed variance.
        spread: of the folds' gains, from which seed effects were drawn; None where they were ignored.
        notes: caveats of the interval.
    """

    gain: float
    ci_low: float
    ci_high: float
    alpha: float
    fold_gains: tuple[float | None, ...]
    folds: int
    units: int
    groups_variance: float
    spread: FoldSpread | None
    notes: tuple[str, ...]
    samples: Array = field(repr=False, compare=False)

    @property
    def standard_error(self) -> float:
        """That of a normal distribution with the same interval: the standard deviation of samples with a heavy tail,
        as the posterior of the seed variance has, depends on a few draws.
        """
        return (self.ci_high - self.ci_low) / (2 * float(norm.ppf(1 - self.alpha / 2)))

    @property
    def probability_positive(self) -> float:
        """The share of resamples with a gain above zero, ties counted half."""
        return float((self.samples > 0).mean() + (self.samples == 0).mean() / 2)


def bootstrap_gain(
    pairs: PairedPredictions,
    metric: str,
    *,
    seed: int,
    resamples: int = 10_000,
    alpha: float = 0.05,
    ignore_groups: bool = False,
    ignore_folds: bool = False,
) -> GainDistribution:
    """Resample the gain by the hierarchical bootstrap of this module.

    Metrics with an additive form cost a matrix product, roc_auc a weighing of every image, others a call a resample.
    Memory does not grow with `resamples` times images.

    Args:
        seed: of all draws. They follow sorted folds and groups, so the order of rows does not matter. Every draw of
            groups is used twice, with both signs of its seed effect, so that swapping the arms mirrors the result.
        ignore_groups, ignore_folds: take images as independent, or seed variance as zero: intervals too narrow.

    Raises:
        UndefinedGain: no images, an undefined metric, fewer than two folds or groups, no variance between resamples,
            or more than 5 % of the resamples undefined.
    """
    if not len(pairs.labels):
        raise UndefinedGain("no image was tested")
    unit, strata, notes = units_of(pairs, ignore_groups)
    parts = [np.ones(len(unit), bool), *(pairs.fold == f for f in np.unique(pairs.fold))]
    whole, *inside = [_gain_over_units(pairs, METRICS[metric], unit, len(strata), rows) for rows in parts]
    gain, *per_fold = [float(part(np.ones((1, len(strata))))[0]) for part in (whole, *inside)]
    if np.isnan(gain):
        raise UndefinedGain(f"{metric} is undefined on the {len(unit)} tested images")
    defined = [] if ignore_folds else np.flatnonzero(~np.isnan(per_fold)).tolist()
    _require(pairs, len(defined), len(strata), ignore_groups, ignore_folds)
    rng = np.random.default_rng(seed)
    gains, in_folds = resample(whole, [inside[f] for f in defined], strata, len(unit), resamples, rng)
    if np.nanstd(gains) < 1e-12:
        raise UndefinedGain("every resample gives the same gain: the arms do not differ enough to build an interval")
    share = np.bincount(pairs.fold, pairs.weights)[defined]
    spread = fold_spread(np.array(per_fold)[defined], in_folds, share / share.sum()) if defined else None
    shift = draw_seed_effects(spread, resamples, rng) if spread else np.zeros(resamples)
    span = METRICS[metric].span  # the largest gain that the metric allows
    samples, undefined = defined_rows(np.concatenate([gains + shift, gains - shift]).clip(-span, span))
    if undefined:
        notes = (*notes, f"{undefined:.1%} of the resamples lack a class and were left out")
    low, high = np.quantile(samples, [alpha / 2, 1 - alpha / 2])
    return GainDistribution(
        gain=gain,
        ci_low=float(low),
        ci_high=float(high),
        alpha=alpha,
        fold_gains=tuple(None if np.isnan(value) else value for value in per_fold),
        folds=len(per_fold),
        units=len(strata),
        groups_variance=float(np.nanvar(gains)),
        spread=spread,
        notes=notes,
        samples=np.sort(samples),
    )


def _require(pairs: PairedPredictions, folds: int, units: int, ignore_groups: bool, ignore_folds: bool) -> None:
    if not ignore_folds and folds < 2:
        raise UndefinedGain(f"{folds} fold(s) in which the metric is defined: seed variance needs at least two")
    if not ignore_groups and len(np.unique(pairs.group)) < 2:
        raise UndefinedGain("fewer than 2 groups: nothing tells how the gain varies between groups")
    if units < 2:
        raise UndefinedGain("fewer than 2 images")


def units_of(pairs: PairedPredictions, ignore_groups: bool) -> tuple[Array, Array, tuple[str, ...]]:
    """The resampling units: the unit of each row (n,), the stratum of each unit (units,), and notes.

    A unit is a group; a stratum is a fold, or several folds that share groups (random protocol, repeated seeds).
    Images are the units where a stratum has a single group: an interval that is too narrow is better than none.
    """
    n, folds = len(pairs.labels), int(pairs.fold.max()) + 1
    group = np.arange(n) if ignore_groups else pairs.group
    nodes = folds + int(group.max()) + 1
    links = csr_array((np.ones(n), (pairs.fold, folds + group)), shape=(nodes, nodes))
    stratum = connected_components(links, directed=False)[1]
    alone = np.bincount(stratum[folds:])[stratum[pairs.fold]] == 1
    _, first, unit = np.unique(np.where(alone, nodes + np.arange(n), group), return_index=True, return_inverse=True)
    note = f"{len(np.unique(group[alone]))} fold(s) hold a single group: images were resampled there, not groups"
    return unit, stratum[pairs.fold[first]], (note,) if alone.any() and not ignore_groups else ()


def _gain_over_units(pairs: PairedPredictions, metric: Metric, unit: Array, units: int, rows: Array) -> Resampler:
    """The gain on the chosen rows as a function of unit counts: (r, units) -> (r,)."""
    labels, weights, unit = pairs.labels[rows], pairs.weights[rows], unit[rows]
    values = [over_units(metric, labels, arm[rows], weights, unit, units) for arm in pairs.arms()]
    sign = 1 if metric.higher_is_better else -1
    return lambda counts: sign * (values[0](counts) - values[1](counts))


def over_units(
    metric: Metric, labels: Array, probabilities: Array, weights: Array, unit: Array, units: int
) -> Resampler:
    """The metric as a function of unit counts: (r, units) -> (r,), nan where undefined."""
    if metric.additive is not None:
        finish = metric.additive.finish
        members = csr_array((weights, (unit, np.arange(len(unit)))), shape=(units, len(unit)))
        sums = members @ metric.additive.features(labels, probabilities)
        return lambda counts: finish(counts @ sums)
    if metric.prepare is not None:
        prepared = metric.prepare(labels, probabilities)
        return lambda counts: prepared(counts[:, unit] * weights)

    def one_by_one(counts: Array) -> Array:
        values = [metric(labels, probabilities, row[unit] * weights) for row in counts]
        return np.array([np.nan if value is None else value for value in values])

    return one_by_one


def _draw(strata: Array, rows: int, rng: np.random.Generator) -> Array:
    """Draw unit counts (rows, units): from each stratum of n units n - 1 with replacement, scaled by n / (n - 1)."""
    counts = np.ones((rows, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        n = len(members)
        if n > 1:
            drawn = rng.integers(n, size=(rows, n - 1)) + n * np.arange(rows)[:, None]
            counts[:, members] = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n) * (n / (n - 1))
    return counts


def resample(
    whole: Resampler, inside: Sequence[Resampler], strata: Array, images: int, resamples: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Resampled values (resamples, ...) of all images, and those inside each fold (about FOLD_RESAMPLES, folds, ...).

    In chunks, so that memory does not grow with `resamples` times `images`.
    """
    values, in_folds = [], []
    chunk = max(1, CHUNK_FLOATS // max(images, len(strata)))
    for start in range(0, resamples, chunk):
        counts = _draw(strata, min(chunk, resamples - start), rng)
        values.append(whole(counts))
        few = counts[: max(0, FOLD_RESAMPLES - start)]
        if inside and len(few):
            in_folds.append(np.stack([part(few) for part in inside], axis=1))
    return np.concatenate(values), np.concatenate(in_folds) if in_folds else np.empty((0, 0))


def defined_rows(samples: Array) -> tuple[Array, float]:
    """The resampled values (r, ...) without rows that hold nan, and the share of rows left out.

    Raises:
        UndefinedGain: the share is more than 5 %.
    """
    lacking = np.isnan(samples.reshape(len(samples), -1)).any(1)
    if lacking.mean() > MOST_UNDEFINED:
        raise UndefinedGain(f"{lacking.mean():.0%} of the resamples lack a class: too few images of the rarest class")
    return samples[~lacking], float(lacking.mean())
