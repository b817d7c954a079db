"""The part of many images that is scored."""

import numpy as np
import pandas as pd

from pipeline.forecast.sample import LEAST, stratified


def test_a_part_is_drawn_with_every_class():
    labels = pd.Series(["often"] * 900 + ["rare"] * 99 + ["once"])
    positions = np.arange(1000) * 3
    drawn = stratified(labels, positions, 100, seed=4)
    assert labels.iloc[drawn // 3].value_counts().to_dict() == {"often": 89, "rare": 10, "once": 1}
    assert not np.array_equal(drawn, stratified(labels, positions, 100, seed=5))
    assert np.array_equal(stratified(labels, positions, 5000, seed=4), positions)


def test_a_rare_class_has_images_for_every_fold():
    labels = pd.Series(["often"] * 5000 + ["rare"] * 2 * LEAST)
    drawn = stratified(labels, np.arange(len(labels)), 100, seed=1)
    assert labels.iloc[drawn].value_counts().to_dict() == {"often": 100 - LEAST, "rare": LEAST}


def test_of_more_classes_than_there_is_room_for_none_has_two():
    labels = pd.Series([f"class {number % 50}" for number in range(500)])
    assert labels.iloc[stratified(labels, np.arange(500), 30, seed=1)].is_unique
