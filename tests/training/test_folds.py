"""The parts of a fold: disjoint, complete, and with weights that balance the training classes."""

import numpy as np
import pandas as pd
import pytest
import tiny_world
from hypothesis import given
from hypothesis import strategies as st

from pipeline.store.errors import InputError
from pipeline.store.files import write_npy
from pipeline.store.paths import Paths
from pipeline.training.folds import class_names, fold_parts, images_of

ROLES = ("train", "validation", "test")


@st.composite
def tables(draw):
    """Examples of two or three classes, each in every role, with weights of their own."""
    classes = draw(st.lists(st.sampled_from(["b", "a", "c10", "c9"]), min_size=2, max_size=3, unique=True))
    rows = [(label, role) for label in classes for role in ROLES]
    rows += draw(st.lists(st.tuples(st.sampled_from(classes), st.sampled_from(ROLES)), max_size=30))
    weight = draw(st.lists(st.floats(0.05, 1), min_size=len(rows), max_size=len(rows)))
    label, role = zip(*draw(st.permutations(rows)), strict=True)
    return pd.DataFrame({"label": label, "weight": weight, "role_0": role})


@given(table=tables(), class_weight=st.sampled_from(["none", "balanced"]))
def test_parts_are_the_roles_and_labels_are_the_classes(table, class_weight):
    fold, names = fold_parts(table, 0, class_weight), class_names(table)
    for role in ROLES:
        part = getattr(fold, role)
        assert np.array_equal(part.positions, np.flatnonzero(table["role_0"] == role))
        assert [names[code] for code in part.labels] == table["label"].iloc[part.positions].tolist()
        assert len(part.weights) == len(part.positions)
    assert np.array_equal(fold.test.weights, table["weight"].iloc[fold.test.positions])


@given(table=tables())
def test_balanced_classes_weigh_the_same_in_training_with_mean_1(table):
    train = fold_parts(table, 0, "balanced").train
    sums = np.bincount(train.labels, train.weights)
    np.testing.assert_allclose(sums, sums[0])
    np.testing.assert_allclose(train.weights.mean(), 1)


@given(table=tables())
def test_inside_a_class_weights_keep_their_proportions(table):
    fold = fold_parts(table, 0, "balanced")
    for part in (fold.train, fold.validation):
        own = table["weight"].to_numpy()[part.positions]
        for code in np.unique(part.labels):
            ratio = part.weights[part.labels == code] / own[part.labels == code]
            np.testing.assert_allclose(ratio, ratio[0])


@given(table=tables())
def test_without_balance_weights_are_the_images_own(table):
    train = fold_parts(table, 0, "none").train
    own = table["weight"].to_numpy()[train.positions]
    np.testing.assert_allclose(train.weights, own / own.mean())


@given(table=tables())
def test_weights_of_tested_images_do_not_reach_the_training(table):
    changed = table.assign(weight=np.where(table["role_0"] == "test", 0.7, table["weight"]))
    for role in ("train", "validation"):
        before, after = (getattr(fold_parts(t, 0, "balanced"), role) for t in (table, changed))
        assert np.array_equal(before.weights, after.weights)


def test_images_that_changed_since_the_split_are_refused(tmp_path):
    paths = Paths(tmp_path)
    tiny_world.make_without_keras(tmp_path)
    tiny_world.run_cell(tmp_path, "split", "defect")
    assert images_of(paths, "defect") == paths.dataset("toy").images
    write_npy(paths.dataset("toy").images, np.zeros((48, 32, 32, 1), "uint8"))
    with pytest.raises(InputError, match=r"images\.npy is not the file that target 'defect' was split from"):
        images_of(paths, "defect")
