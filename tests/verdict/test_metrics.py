"""Every metric against scikit-learn or its definition; influences against numerical derivatives and deletion."""

import numpy as np
import pytest
from sklearn import metrics as sk

from pipeline.verdict.metrics import (
    METRICS,
    Metric,
    class_shares,
    confusion,
    group_influence,
    jackknife,
    reliability_rows,
    roc_rows,
)


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
def test_influence_is_the_derivative_by_each_weight_times_the_weight(name, k):
    labels, probabilities, weights = sample(n=80, k=k)
    metric, step = METRICS[name], 1e-6
    influence = metric.influence(labels, probabilities, weights)
    assert influence.sum() == pytest.approx(0, abs=1e-12)
    for i in range(0, 80, 7):
        more, less = (metric(labels, probabilities, weights + sign * step * (np.arange(80) == i)) for sign in (1, -1))
        assert influence[i] == pytest.approx((more - less) / (2 * step) * weights[i], abs=1e-7)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("k", [2, 3])
def test_group_influence_equals_the_jackknife_of_a_metric_without_one(name, k):
    labels, probabilities, weights = sample(k=k)
    group = np.random.default_rng(1).integers(9, size=len(labels))
    given = group_influence(METRICS[name], labels, probabilities, weights, group)
    found = group_influence(Metric(METRICS[name].value, True), labels, probabilities, weights, group)
    np.testing.assert_allclose(given, found, atol=1e-8)
    assert found.sum() == pytest.approx(0, abs=1e-8) and np.abs(found).max() > 1e-4


@pytest.mark.parametrize("name", METRICS)
def test_its_variance_is_that_of_deleting_one_group_after_another(name):
    """Of many groups, the delete-a-group jackknife (Tukey 1958) has the same variance, to second order."""
    labels, probabilities, weights = sample(n=2_000)
    group = np.arange(2_000) % 50
    deleted = [METRICS[name](labels, probabilities, weights * (group != g)) for g in range(50)]
    by_influence = 50 / 49 * (group_influence(METRICS[name], labels, probabilities, weights, group) ** 2).sum()
    assert by_influence == pytest.approx(49 * np.var(deleted), rel=0.05)


def test_the_jackknife_of_a_group_with_the_only_images_of_a_class_is_defined():
    labels, probabilities, weights = sample(n=60, k=2)
    found = jackknife(METRICS["roc_auc"], labels, probabilities, weights, labels)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy"])
def test_shares_say_how_much_an_image_counts(name):
    labels, probabilities, weights = sample()
    shares = class_shares(METRICS[name], labels, weights)
    right = probabilities.argmax(1) == labels
    assert shares.sum() == pytest.approx(1)
    assert shares @ right == pytest.approx(METRICS[name](labels, probabilities, weights))


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
