"""Every metric against scikit-learn or its definition; the fast forms against the single values."""

import numpy as np
import pytest
from sklearn import metrics as sk

from pipeline.verdict.metrics import METRICS, Metric, confusion, reliability_rows, roc_rows
from pipeline.verdict.resampling import over_units


def sample(n=200, k=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.r_[np.arange(k), rng.integers(k, size=n - k)]
    probabilities = rng.dirichlet(np.ones(k), size=n) * 0.7 + 0.3 * np.eye(k)[labels]
    probabilities[: n // 2] = np.round(probabilities[: n // 2], 1)  # ties
    probabilities /= probabilities.sum(1, keepdims=True)
    return labels, probabilities, rng.integers(1, 5, size=n).astype(float)


@pytest.mark.parametrize("k", [2, 3])
def test_values_equal_scikit_learn(k):
    labels, probabilities, weights = sample(k=k)
    predicted = probabilities.argmax(1)
    auc = (
        sk.roc_auc_score(labels, probabilities[:, 1], sample_weight=weights)
        if k == 2
        else np.mean([sk.roc_auc_score(labels == c, probabilities[:, c], sample_weight=weights) for c in range(k)])
    )
    expected = {
        "balanced_accuracy": sk.balanced_accuracy_score(labels, predicted, sample_weight=weights),
        "accuracy": sk.accuracy_score(labels, predicted, sample_weight=weights),
        "macro_f1": sk.f1_score(labels, predicted, average="macro", sample_weight=weights),
        "roc_auc": auc,
        "log_loss": sk.log_loss(labels, probabilities, sample_weight=weights),
    }
    for name, value in expected.items():
        assert METRICS[name](labels, probabilities, weights) == pytest.approx(value, abs=1e-12), name


def test_unweighted_multiclass_auc_is_scikit_learns():
    labels, probabilities, _ = sample(k=4)
    expected = sk.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")
    assert METRICS["roc_auc"](labels, probabilities, np.ones(len(labels))) == pytest.approx(expected, abs=1e-12)


def test_calibration_error_follows_its_definition():
    labels, probabilities, weights = sample()
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    expected = 0.0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if inside.any():
            apart = np.average(right[inside], weights=weights[inside]) - np.average(
                confidence[inside], weights=weights[inside]
            )
            expected += weights[inside].sum() / weights.sum() * abs(apart)
    assert METRICS["ece"](labels, probabilities, weights) == pytest.approx(expected, abs=1e-12)
    rows = reliability_rows(labels, probabilities, weights)
    assert sum(row["weight"] * abs(row["accuracy"] - row["confidence"]) for row in rows) == pytest.approx(expected)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("k", [2, 3])
def test_fast_form_equals_value_under_any_counts(name, k):
    labels, probabilities, weights = sample(k=k)
    rng = np.random.default_rng(1)
    unit = rng.integers(9, size=len(labels))
    counts = rng.integers(0, 4, size=(20, 9)).astype(float)
    fast = over_units(METRICS[name], labels, probabilities, weights, unit, 9)(counts)
    slow = [METRICS[name](labels, probabilities, weights * row[unit]) for row in counts]
    np.testing.assert_allclose(fast, slow, atol=1e-12)


def test_metric_without_fast_form_is_called_once_a_resample():
    labels, probabilities, weights = sample()
    metric = Metric(METRICS["accuracy"].value, True)
    counts = np.array([[1.0, 0.0], [0.0, 0.0]])
    unit = np.arange(len(labels)) % 2
    values = over_units(metric, labels, probabilities, weights, unit, 2)(counts)
    assert values[0] == METRICS["accuracy"](labels, probabilities, weights * (unit == 0))
    assert np.isnan(values[1])


@pytest.mark.parametrize("name", METRICS)
def test_undefined_is_none(name):
    none = np.zeros(0)
    assert METRICS[name](none.astype(int), np.zeros((0, 2)), none) is None
    one_class = METRICS[name](np.zeros(4, int), np.full((4, 2), 0.5), np.ones(4))
    assert one_class is None if name == "roc_auc" else np.isfinite(one_class)


def test_confusion_equals_scikit_learn():
    labels, probabilities, weights = sample()
    predicted = probabilities.argmax(1)
    expected = sk.confusion_matrix(labels, predicted, labels=range(4), sample_weight=weights)
    np.testing.assert_array_equal(confusion(labels, predicted, 4, weights), expected)


def test_area_under_roc_rows_is_the_auc():
    labels, probabilities, weights = sample(k=2)
    rows = roc_rows(labels, probabilities, weights)
    area = np.trapezoid([r["true_positive_rate"] for r in rows], [r["false_positive_rate"] for r in rows])
    assert area == pytest.approx(METRICS["roc_auc"](labels, probabilities, weights))
    assert roc_rows(np.zeros(4, int), np.full((4, 2), 0.5), np.ones(4)) == []
