"""What a network on all images is trained on, and for how long."""

import numpy as np
import pandas as pd

from pipeline.arms.spec import Setting
from pipeline.export.refit import all_as_training, kept_budget
from pipeline.training.folds import fold_parts


def fold(rate, kept, l2=0.0):
    return {"learning_rate": rate, "l2": l2, "kept_epoch": kept}


def test_the_budget_is_the_most_frequent_setting_and_its_median_epochs():
    assert kept_budget([fold(0.1, 9), fold(0.2, 3), fold(0.2, 8), fold(0.2, 4)]).setting == Setting(0.2, 0.0)
    assert kept_budget([fold(0.1, 9), fold(0.2, 3), fold(0.2, 8), fold(0.2, 4)]).epochs == 4
    assert kept_budget([fold(0.1, 1), fold(0.2, 5)]).setting == Setting(0.1, 0.0)  # the first of equals
    assert kept_budget([fold(0.1, 7, l2=0.5), fold(0.1, 2, l2=0.5), fold(0.1, 99)]).epochs in (4, 5)


def test_every_image_is_trained_on_whatever_its_roles_were():
    examples = pd.DataFrame(
        {
            "row": [5, 3, 8, 1],
            "label": ["b", "a", "b", "a"],
            "weight": [1.0, 0.5, 1.0, 1.0],
            "role_0": ["train", "test", "unused", "validation"],
            "role_1": ["test", "train", "train", "train"],
        }
    )
    table, index = all_as_training(examples)
    parts = fold_parts(table, 0, "balanced")
    assert list(table.columns) == ["row", "label", "weight", "role_0"]
    assert table["row"][parts.train.positions].tolist() == [5, 3, 8, 1]
    assert index.tolist() == [0, 1, 2, 3, 0, 1, 0, 1]
    for few in (parts.validation, parts.test):
        assert sorted(few.labels) == [0, 1] and not set(few.positions) & set(parts.train.positions)
    np.testing.assert_allclose(parts.train.weights.mean(), 1)
