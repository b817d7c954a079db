"""Metrics of one arm on the test images of one training, and what every image contributes to them.

Arrays: `labels` (n,) integers in 0..k-1; `probabilities` (n, k) floats, rows summing to one; `weights` (n,)
non-negative floats. The predicted class is the one of highest probability (the lowest index among equals). An
undefined value is None, never nan.

The *influence* (n,) of the images on a metric is its derivative by the weight of each image, times that weight
(Hampel 1974). It sums to 0. Summed over the images of a group it says, to first order, how the metric would move if
there were more of that group: the ingredient of every interval (t_test.py).
"""

import math
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

from pipeline.registry.metrics import DECIDING, REPORTED
from pipeline.store.places import Loaded

Array = npt.NDArray[Any]
Value = Callable[[Array, Array, Array], float | None]
Influence = Callable[[Array, Array, Array], Array]
ECE_BINS = 15  # as in Guo et al. 2017, section 5
STEP = 1e-4  # relative change of a group's weight in the numerical derivative


@dataclass(frozen=True)
class Metric:
    """A metric that pipeline/registry/metrics.py names. Calling it gives the value for one set of weights.

    Attributes:
        value: (labels, probabilities, weights) -> float, or None where undefined. All weights are positive here. It
            must depend on the weights, and not on their scale.
        higher_is_better: the sign of a gain depends on it.
        influence: (labels, probabilities, weights) -> (n,), see above. Where None it is found numerically, by two calls
            of `value` a group.
        balanced: whether every class counts the same in it, however many images it has.
        span: values lie in 0..span, and two of them differ by no more.
    """

    value: Value
    higher_is_better: bool
    influence: Influence | None = None
    balanced: bool = False
    span: float = 1.0

    def __call__(self, labels: Array, probabilities: Array, weights: Array) -> float | None:
        """The metric over the images of positive weight; None where there are none or the metric is undefined."""
        used = weights > 0
        return self.value(labels[used], probabilities[used], weights[used]) if used.any() else None


def group_influence(metric: Metric, labels: Array, probabilities: Array, weights: Array, group: Array) -> Array:
    """The influence of every group on a metric that is defined here: (groups,) float64, summing to 0.

    Args:
        group: (n,) int64 codes 0..groups-1. weights: (n,), all positive.
    """
    groups = int(group.max()) + 1
    if metric.influence is not None:
        return np.bincount(group, metric.influence(labels, probabilities, weights), groups)
    return jackknife(metric, labels, probabilities, weights, group)


def jackknife(metric: Metric, labels: Array, probabilities: Array, weights: Array, group: Array) -> Array:
    """The influence of groups by the infinitesimal jackknife (Jaeckel 1972; Efron 1982, chapter 6).

    Each group's weight is raised and lowered a little. Deleting the group instead would leave a metric undefined where
    the group holds the only images of a class.
    """
    found = np.zeros(int(group.max()) + 1)
    for g in range(len(found)):
        more, less = (metric(labels, probabilities, weights * (1 + step * (group == g))) for step in (STEP, -STEP))
        found[g] = 0.0 if more is None or less is None else (more - less) / (2 * STEP)
    return found


def class_shares(metric: Metric, labels: Array, weights: Array) -> Array:
    """How much each image counts in a metric (n,), summing to 1: by its weight, or by that within its class."""
    totals = np.bincount(labels, weights) if metric.balanced else np.array([weights.sum()])
    of = totals[labels] if metric.balanced else totals
    shares: Array = weights / of / np.count_nonzero(totals)
    return shares


def confusion(labels: Array, predicted: Array, k: int, weights: Array) -> Array:
    """The weighted confusion matrix (k, k) float64: rows are true classes, columns predicted ones.

    Args:
        labels, predicted: (n,) integers in 0..k-1; weights: (n,) floats.
    """
    counts: Array = np.bincount(labels * k + predicted, weights=weights, minlength=k * k).reshape(k, k)
    return counts.astype(np.float64)


# ---- means over images: accuracy, log loss -------------------------------------------------------------------------


def _hits(labels: Array, probabilities: Array) -> Array:
    return (probabilities.argmax(1) == labels).astype(np.float64)


def _losses(labels: Array, probabilities: Array) -> Array:
    """The log loss of each image, clipped as scikit-learn clips it."""
    epsilon = np.finfo(np.float64).eps
    chosen = probabilities.astype(np.float64)[np.arange(len(labels)), labels]
    losses: Array = -np.log(np.clip(chosen, epsilon, 1 - epsilon))
    return losses


def _mean_of(terms: Callable[[Array, Array], Array]) -> tuple[Value, Influence]:
    """The weighted mean of a term of each image, and its influence."""

    def value(labels: Array, probabilities: Array, weights: Array) -> float:
        return float(np.average(terms(labels, probabilities), weights=weights))

    def influence(labels: Array, probabilities: Array, weights: Array) -> Array:
        each = terms(labels, probabilities)
        moved: Array = weights * (each - np.average(each, weights=weights)) / weights.sum()
        return moved

    return value, influence


# ---- means over classes: balanced accuracy, macro F1 ---------------------------------------------------------------


def _recalls(labels: Array, probabilities: Array, weights: Array) -> tuple[Array, Array]:
    """Of each class: its weight, and its recall (0 where it does not occur)."""
    k = probabilities.shape[1]
    totals = np.bincount(labels, weights, k)
    hits = np.bincount(labels, weights * _hits(labels, probabilities), k)
    return totals, np.divide(hits, totals, out=np.zeros(k), where=totals > 0)


def _balanced_accuracy(labels: Array, probabilities: Array, weights: Array) -> float | None:
    """Mean recall over the classes that occur."""
    totals, recalls = _recalls(labels, probabilities, weights)
    return float(recalls[totals > 0].mean())


def _balanced_accuracy_influence(labels: Array, probabilities: Array, weights: Array) -> Array:
    totals, recalls = _recalls(labels, probabilities, weights)
    apart = _hits(labels, probabilities) - recalls[labels]
    moved: Array = weights * apart / totals[labels] / np.count_nonzero(totals)
    return moved


def _f1_parts(labels: Array, probabilities: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Of each class: F1 = 2 TP / (true + predicted), its denominator; and the predicted class of each image."""
    k, predicted = probabilities.shape[1], probabilities.argmax(1)
    hits = np.bincount(labels, weights * (predicted == labels), k)
    below = np.bincount(labels, weights, k) + np.bincount(predicted, weights, k)
    return np.divide(2 * hits, below, out=np.zeros(k), where=below > 0), below, predicted


def _macro_f1(labels: Array, probabilities: Array, weights: Array) -> float | None:
    """Mean F1 over the classes that occur among labels or predictions."""
    scores, below, _ = _f1_parts(labels, probabilities, weights)
    return float(scores[below > 0].mean())


def _macro_f1_influence(labels: Array, probabilities: Array, weights: Array) -> Array:
    """By the delta method: d F1 = (2 dTP - F1 d(true + predicted)) / (true + predicted)."""
    scores, below, predicted = _f1_parts(labels, probabilities, weights)
    above = 2.0 * (predicted == labels) / below[labels]
    moved = above - scores[labels] / below[labels] - scores[predicted] / below[predicted]
    return np.asarray(weights * moved / np.count_nonzero(below))


# ---- ROC AUC -------------------------------------------------------------------------------------------------------


def _share_below(scores: Array, others: Array, weights: Array) -> Array:
    """The share of `others`, by weight, below each score; equal ones count half (a placement, DeLong et al. 1988)."""
    order = np.argsort(others, kind="stable")
    total = np.r_[0.0, np.cumsum(weights[order])]
    low, high = (total[np.searchsorted(others[order], scores, side)] for side in ("left", "right"))
    share: Array = (low + high) / (2 * total[-1])
    return share


def _areas(labels: Array, probabilities: Array, weights: Array) -> tuple[float, Array] | None:
    """The area under the ROC curve of class 1 (k = 2), or the mean of one-vs-rest areas; and its influence.

    An area is the mean placement of the class among the rest. Its influence is that of both samples' placements
    (DeLong, DeLong and Clarke-Pearson 1988; by clusters Obuchowski 1997). None unless all classes occur.
    """
    k = probabilities.shape[1]
    if len(np.unique(labels)) < k:
        return None
    classes = [1] if k == 2 else range(k)
    area, moved = 0.0, np.zeros(len(labels))
    for c in classes:
        member, scores = labels == c, probabilities[:, c]
        (own, rest), (v, w) = ((x[member], x[~member]) for x in (scores, weights))
        places = _share_below(own, rest, w)
        one = float(np.average(places, weights=v))
        moved[member] += v / v.sum() * (places - one)
        moved[~member] += w / w.sum() * (1 - _share_below(rest, own, v) - one)
        area += one
    return area / len(classes), moved / len(classes)


def _roc_auc(labels: Array, probabilities: Array, weights: Array) -> float | None:
    found = _areas(labels, probabilities, weights)
    return None if found is None else found[0]


def _roc_auc_influence(labels: Array, probabilities: Array, weights: Array) -> Array:
    found = _areas(labels, probabilities, weights)
    return np.zeros(len(labels)) if found is None else found[1]


# ---- calibration ---------------------------------------------------------------------------------------------------


def _calibration_bin(confidence: Array, bins: int) -> Array:
    """The bin of each confidence (n,); bin m holds (m / bins, (m + 1) / bins] (Guo et al. 2017, section 2)."""
    index: Array = np.ceil(confidence * bins).astype(np.int64) - 1
    return index.clip(0, bins - 1)


def _excesses(labels: Array, probabilities: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Correctness minus confidence of each image, its bin, and the weighted sum of each bin."""
    confidence = probabilities.max(1)
    excess = _hits(labels, probabilities) - confidence
    bins = _calibration_bin(confidence, ECE_BINS)
    return excess, bins, np.bincount(bins, weights * excess, ECE_BINS)


def _ece(labels: Array, probabilities: Array, weights: Array) -> float | None:
    """Expected calibration error of the top label (Guo et al. 2017, equation 3)."""
    return float(np.abs(_excesses(labels, probabilities, weights)[2]).sum() / weights.sum())


def _ece_influence(labels: Array, probabilities: Array, weights: Array) -> Array:
    excess, bins, sums = _excesses(labels, probabilities, weights)
    moved = np.sign(sums)[bins] * excess - np.abs(sums).sum() / weights.sum()
    return np.asarray(weights * moved / weights.sum())


_accuracy, _accuracy_influence = _mean_of(_hits)
_log_loss, _log_loss_influence = _mean_of(_losses)

BALANCED_ACCURACY = Metric(_balanced_accuracy, True, _balanced_accuracy_influence, balanced=True)
ACCURACY = Metric(_accuracy, True, _accuracy_influence)
MACRO_F1 = Metric(_macro_f1, True, _macro_f1_influence, balanced=True)
ROC_AUC = Metric(_roc_auc, True, _roc_auc_influence, balanced=True)
LOG_LOSS = Metric(_log_loss, False, _log_loss_influence, span=math.inf)
ECE = Metric(_ece, False, _ece_influence)

# name -> Metric, of all registered metrics; first those that may decide a verdict
METRICS: Mapping[str, Metric] = Loaded(ChainMap(REPORTED, DECIDING))


# ---- rows for plots ------------------------------------------------------------------------------------------------


def reliability_rows(
    labels: Array, probabilities: Array, weights: Array, bins: int = ECE_BINS
) -> list[dict[str, float]]:
    """A reliability diagram (Guo et al. 2017, figure 1): one row a non-empty bin, in order of confidence.

    Returns: rows of `confidence` and `accuracy` (weighted means in the bin) and `weight` (its share of all weight).
    """
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    bin_of = _calibration_bin(confidence, bins)
    total, sure, hits = (np.bincount(bin_of, weights * x, bins) for x in (np.ones(len(labels)), confidence, right))
    return [
        {"confidence": sure[b] / total[b], "accuracy": hits[b] / total[b], "weight": total[b] / total.sum()}
        for b in np.flatnonzero(total > 0)
    ]


def roc_rows(labels: Array, probabilities: Array, weights: Array, positive: int = 1) -> list[dict[str, float]]:
    """The ROC curve of one class against the rest: `false_positive_rate`, `true_positive_rate`.

    Returns: an empty list where the class, or the rest, has no weight.
    """
    used = weights > 0
    member = labels[used] == positive
    if not member.any() or member.all():
        return []
    false, true, _ = sk.roc_curve(member, probabilities[used, positive], sample_weight=weights[used])
    return [{"false_positive_rate": float(x), "true_positive_rate": float(y)} for x, y in zip(false, true, strict=True)]
