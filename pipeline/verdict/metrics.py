"""Metrics of one arm on test images: single values by scikit-learn, and vectorised forms for the bootstrap.

Arrays: `labels` (n,) integers in 0..k-1; `probabilities` (n, k) floats, rows summing to one; `weights` (n,)
non-negative floats. The predicted class is the one of highest probability (the lowest index among equals). An
undefined value is None, never nan.
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
ECE_BINS = 15  # as in Guo et al. 2017, section 5


@dataclass(frozen=True)
class Additive:
    """A metric that is a function of weighted sums over images, so that resampling it is a matrix product.

    Attributes:
        features: (labels, probabilities) -> (n, m), the terms that each image adds to the m sums.
        finish: sums (r, m) -> values (r,), nan where undefined.
    """

    features: Callable[[Array, Array], Array]
    finish: Callable[[Array], Array]


@dataclass(frozen=True)
class Metric:
    """A metric that pipeline/registry/metrics.py names. Calling it gives the value for one set of weights.

    Attributes:
        value: (labels, probabilities, weights) -> float, or None where undefined. All weights are positive here.
        higher_is_better: the sign of a gain depends on it.
        additive: the fast form for resampling, where the metric has one.
        prepare: else, (labels, probabilities) -> function of weights (r, n) -> values (r,), nan where undefined.
            A metric with neither is resampled by one call of `value` a resample, which is slow.
        span: values lie in 0..span, and two of them differ by no more.
    """

    value: Value
    higher_is_better: bool
    additive: Additive | None = None
    prepare: Callable[[Array, Array], Callable[[Array], Array]] | None = None
    span: float = 1.0

    def __call__(self, labels: Array, probabilities: Array, weights: Array) -> float | None:
        """The metric over the images of positive weight; None where there are none or the metric is undefined."""
        used = weights > 0
        return self.value(labels[used], probabilities[used], weights[used]) if used.any() else None


def confusion(labels: Array, predicted: Array, k: int, weights: Array) -> Array:
    """The weighted confusion matrix (k, k) float64: rows are true classes, columns predicted ones.

    Args:
        labels, predicted: (n,) integers in 0..k-1; weights: (n,) floats.
    """
    counts: Array = np.bincount(labels * k + predicted, weights=weights, minlength=k * k).reshape(k, k)
    return counts.astype(np.float64)


# ---- single values -------------------------------------------------------------------------------------------------


def _accuracy(labels: Array, probabilities: Array, weights: Array) -> float | None:
    return float(sk.accuracy_score(labels, probabilities.argmax(1), sample_weight=weights))


def _balanced_accuracy(labels: Array, probabilities: Array, weights: Array) -> float | None:
    """Mean recall over the classes that occur (as scikit-learn's, which warns where a class is only predicted)."""
    present = np.unique(labels)
    predicted = probabilities.argmax(1)
    recalls = sk.recall_score(labels, predicted, labels=present, average="macro", sample_weight=weights)
    return float(recalls)


def _macro_f1(labels: Array, probabilities: Array, weights: Array) -> float | None:
    """Mean F1 over the classes that occur among labels or predictions."""
    return float(sk.f1_score(labels, probabilities.argmax(1), average="macro", sample_weight=weights))


def _roc_auc(labels: Array, probabilities: Array, weights: Array) -> float | None:
    """Area under the ROC curve of class 1 (k = 2), or mean of one-vs-rest areas; undefined unless all classes occur."""
    k = probabilities.shape[1]
    if len(np.unique(labels)) < k:
        return None
    classes = [1] if k == 2 else range(k)
    areas = [sk.roc_auc_score(labels == c, probabilities[:, c], sample_weight=weights) for c in classes]
    return float(np.mean(areas))


def _log_loss(labels: Array, probabilities: Array, weights: Array) -> float | None:
    k = probabilities.shape[1]
    return float(sk.log_loss(labels, probabilities.astype(np.float64), labels=np.arange(k), sample_weight=weights))


def _ece(labels: Array, probabilities: Array, weights: Array) -> float | None:
    """Expected calibration error of the top label (Guo et al. 2017, equation 3)."""
    return float(_finish_ece(weights[None, :] @ _calibration_sums(labels, probabilities))[0])


# ---- the same over many resamples ----------------------------------------------------------------------------------


def _class_sums(labels: Array, probabilities: Array) -> Array:
    """Terms (n, 3k): for each class true positives, members and predictions."""
    identity = np.eye(probabilities.shape[1])
    true, predicted = identity[labels], identity[probabilities.argmax(1)]
    return np.hstack([true * predicted, true, predicted])


def _ratio(above: Array, below: Array) -> Array:
    """Divide, with nan where the divisor is zero."""
    quotient: Array = np.full(np.shape(above), np.nan)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient


def _mean_defined(values: Array) -> Array:
    """Row means without nan; nan for rows that are nan throughout."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0.0).sum(1), defined.sum(1))


def _finish_accuracy(sums: Array) -> Array:
    hits, true, _ = np.split(sums, 3, axis=1)
    return _ratio(hits.sum(1), true.sum(1))


def _finish_balanced_accuracy(sums: Array) -> Array:
    hits, true, _ = np.split(sums, 3, axis=1)
    return _mean_defined(_ratio(hits, true))


def _finish_macro_f1(sums: Array) -> Array:
    hits, true, predicted = np.split(sums, 3, axis=1)
    return _mean_defined(_ratio(2 * hits, true + predicted))


def _loss_sums(labels: Array, probabilities: Array) -> Array:
    """Terms (n, 2): the log loss of an image, clipped as scikit-learn clips it, and one."""
    epsilon = np.finfo(np.float64).eps
    chosen = probabilities.astype(np.float64)[np.arange(len(labels)), labels]
    return np.column_stack([-np.log(np.clip(chosen, epsilon, 1 - epsilon)), np.ones(len(labels))])


def _calibration_bin(confidence: Array, bins: int) -> Array:
    """The bin of each confidence (n,); bin m holds (m / bins, (m + 1) / bins] (Guo et al. 2017, section 2)."""
    index: Array = np.ceil(confidence * bins).astype(np.int64) - 1
    return index.clip(0, bins - 1)


def _calibration_sums(labels: Array, probabilities: Array) -> Array:
    """Terms (n, bins + 1): in its bin, correctness minus confidence; then one for its weight."""
    confidence = probabilities.max(1)
    excess = (probabilities.argmax(1) == labels) - confidence
    bins = np.eye(ECE_BINS)[_calibration_bin(confidence, ECE_BINS)]
    return np.column_stack([bins * excess[:, None], np.ones(len(labels))])


def _finish_ece(sums: Array) -> Array:
    return _ratio(np.abs(sums[:, :-1]).sum(1), sums[:, -1])


def _prepare_roc_auc(labels: Array, probabilities: Array) -> Callable[[Array], Array]:
    """Sort once; each set of weights then costs a cumulative sum a class (weighted Mann-Whitney form of the area)."""
    k = probabilities.shape[1]
    classes = [1] if k == 2 else list(range(k))
    orders = [np.argsort(probabilities[:, c], kind="stable") for c in classes]

    def area(weights: Array, c: int, order: Array) -> Array:
        starts = np.r_[0, np.flatnonzero(np.diff(probabilities[order, c])) + 1]  # equal scores count half
        positive, negative = (weights[:, order] * member for member in (labels[order] == c, labels[order] != c))
        if len(starts) < len(order):
            positive, negative = (np.add.reduceat(part, starts, axis=1) for part in (positive, negative))
        below = np.cumsum(negative, axis=1) - negative / 2
        return _ratio(np.einsum("rn,rn->r", positive, below), positive.sum(1) * negative.sum(1))

    def areas(weights: Array) -> Array:
        columns = [area(weights, c, order) for c, order in zip(classes, orders, strict=True)]
        return np.asarray(np.mean(columns, axis=0))

    return areas


BALANCED_ACCURACY = Metric(_balanced_accuracy, True, Additive(_class_sums, _finish_balanced_accuracy))
ACCURACY = Metric(_accuracy, True, Additive(_class_sums, _finish_accuracy))
MACRO_F1 = Metric(_macro_f1, True, Additive(_class_sums, _finish_macro_f1))
ROC_AUC = Metric(_roc_auc, True, prepare=_prepare_roc_auc)
LOG_LOSS = Metric(_log_loss, False, Additive(_loss_sums, lambda sums: _ratio(sums[:, 0], sums[:, 1])), span=math.inf)
ECE = Metric(_ece, False, Additive(_calibration_sums, _finish_ece))

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
