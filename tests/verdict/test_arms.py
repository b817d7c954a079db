"""Tables of tests: which training tested which image, and what becomes of an arm's predictions."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, log_loss

from pipeline.verdict import arms as tables
from pipeline.verdict.metrics import METRICS

IMAGES, FOLDS, REPEATS = 40, 2, 3


def examples(seed=0):
    rng = np.random.default_rng(seed)
    roles = {}
    for r in range(REPEATS):
        part = rng.permutation(IMAGES) % FOLDS
        roles |= {f"role_{r * FOLDS + k}": np.where(part == k, "test", "train") for k in range(FOLDS)}
    return pd.DataFrame(
        {
            "image_id": [f"id{i}" for i in range(IMAGES)],
            "label": [("b", "a", "c")[i % 3] for i in range(IMAGES)],
            "group": [f"g{i // 4}" for i in range(IMAGES)],
            "weight": 1.0 + (np.arange(IMAGES) % 2),
            **roles,
        }
    )


def predictions(table, seed=1):
    rng = np.random.default_rng(seed)
    parts = []
    for j in range(FOLDS * REPEATS):
        part = table.loc[table[f"role_{j}"] == "test", ["image_id", "label"]].assign(fold=j)
        parts.append(
            part.assign(**dict(zip(("p_a", "p_b", "p_c"), rng.dirichlet(np.ones(3), len(part)).T, strict=True)))
        )
    return pd.concat(parts, ignore_index=True)


def test_every_training_has_its_rows_in_the_order_of_the_examples():
    table = examples()
    tested = tables.tested_images(table)
    assert tested.classes == ["a", "b", "c"] and tested.repeats == REPEATS
    assert len(tested.labels) == IMAGES * REPEATS
    for j in range(FOLDS * REPEATS):
        rows = np.flatnonzero(tested.fold == j)
        assert tested.position[rows].tolist() == np.flatnonzero(table[f"role_{j}"] == "test").tolist()
        assert (tested.repeat[rows] == j // FOLDS).all()
    assert (np.array(tested.classes)[tested.labels] == table["label"].to_numpy()[tested.position]).all()
    assert (tested.group == table["group"].to_numpy()[tested.position]).all()
    assert (np.diff(tested.fold) >= 0).all()


def test_only_the_first_repeats_may_be_read():
    whole, some = tables.tested_images(examples()), tables.tested_images(examples(), repeats=2)
    rows = whole.repeat < 2
    for field in ("labels", "position", "fold", "repeat", "group", "weights"):
        assert (getattr(some, field) == getattr(whole, field)[rows]).all()
    with pytest.raises(ValueError, match=r"3 repeat\(s\); 4 were asked for"):
        tables.tested_images(examples(), repeats=4)


def test_one_repeat_is_a_division_into_folds():
    table = examples()[["image_id", "label", "group", "weight", "role_0", "role_1"]]
    tested = tables.tested_images(table)
    assert tested.repeats == 1 and sorted(tested.position) == list(range(IMAGES))


@pytest.mark.parametrize("column", ["role_1", "role_5"])
def test_an_image_that_is_not_tested_once_a_repeat_is_refused(column):
    table = examples()
    table.loc[table[column] == "test", column] = "unused"
    with pytest.raises(ValueError, match="not tested once"):
        tables.tested_images(table)


def test_predictions_are_aligned_by_image_and_training():
    table = examples()
    tested, found = tables.tested_images(table), predictions(table)
    aligned = tables.aligned(found.sample(frac=1, random_state=0), table, tested)
    np.testing.assert_allclose(aligned, found[["p_a", "p_b", "p_c"]])
    few = tables.tested_images(table, repeats=1)
    np.testing.assert_allclose(tables.aligned(found, table, few), aligned[tested.repeat == 0])


@pytest.mark.parametrize("fault", ["missing", "twice", "other fold", "nan"])
def test_predictions_of_other_images_are_refused(fault):
    table = examples()
    found = predictions(table)
    if fault == "missing":
        found = found.iloc[1:]
    elif fault == "twice":
        found = pd.concat([found, found.iloc[:1]])
    elif fault == "other fold":
        found.loc[0, "fold"] = 1 - found.loc[0, "fold"]
    else:
        found.loc[0, "p_a"] = np.nan
    with pytest.raises(ValueError, match=r"same images|not a one-to-one|unique"):
        tables.aligned(found, table, tables.tested_images(table))


def test_metrics_are_means_inside_trainings_averaged_over_repeats():
    table = examples()
    tested, found = tables.tested_images(table), predictions(table)
    probabilities = found[["p_a", "p_b", "p_c"]].to_numpy()
    inside, loss, weights = [], [], []
    for j in range(FOLDS * REPEATS):
        rows = tested.fold == j
        options = {"sample_weight": tested.weights[rows]}
        inside.append(balanced_accuracy_score(tested.labels[rows], probabilities[rows].argmax(1), **options))
        loss.append(log_loss(tested.labels[rows], probabilities[rows], labels=[0, 1, 2], **options))
        weights.append(tested.weights[rows].sum())
    metrics = tables.arm_metrics(tested, probabilities)
    assert list(metrics) == list(METRICS)
    assert metrics["balanced_accuracy"] == pytest.approx(np.average(inside, weights=weights))
    assert metrics["log_loss"] == pytest.approx(np.average(loss, weights=weights))


def test_nothing_tested_has_no_metric():
    table = examples().assign(weight=0.0)
    tested = tables.tested_images(table)
    assert set(tables.arm_metrics(tested, np.full((120, 3), 1 / 3)).values()) == {None}


def test_the_confusion_matrix_sums_to_the_images():
    table = examples()
    tested = tables.tested_images(table)
    probabilities = predictions(table)[["p_a", "p_b", "p_c"]].to_numpy()
    counts = np.array(tables.confusion_counts(tested, probabilities))
    assert counts.sum() == pytest.approx(table["weight"].sum())
    assert counts.sum(1) == pytest.approx(table.groupby("label")["weight"].sum().to_numpy())
    assert len(tables.confusion_rows(tested, probabilities)) == IMAGES * REPEATS


def test_values_of_tests_are_averaged_over_the_repeats_of_an_image():
    table = examples()
    tested = tables.tested_images(table)
    values = np.random.default_rng(0).normal(size=(IMAGES * REPEATS, 2))
    expected = pd.DataFrame(values).groupby(tested.position).mean().to_numpy()
    np.testing.assert_allclose(tables.over_repeats(tested, values), expected)
    assert (np.array(tested.classes)[tables.image_labels(tested)] == table["label"]).all()


def test_a_budget_keeps_the_last_epoch_within_it_of_each_training_that_has_one():
    table = pd.DataFrame({"fold": [0, 0, 1, 1, 9], "epoch": [0, 2, 0, 3, 1], "gflops": [0.0, 5, 0, 5, 1],
                          "images_seen": 0, "p_a": [0.1, 0.2, 0.3, 0.4, 0.5]})  # fmt: skip
    found = tables.at_budget(table, {0: 5.0, 1: 4.9})
    assert found["p_a"].tolist() == [0.2, 0.3]
