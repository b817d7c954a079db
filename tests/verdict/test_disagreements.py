"""The images that one arm alone gets right, the surest first."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.verdict import arms
from pipeline.verdict.disagreements import disagreements, true_probabilities


def images_of(labels, repeats=1):
    roles = {f"role_{r}": "test" for r in range(repeats)}
    return arms.tested_images(pd.DataFrame({"label": labels, "group": "g", "weight": 1.0, **roles}))


def test_both_ways_and_the_surest_first():
    of_a = np.array([0.6, 0.9, 0.2, 0.8, 0.4])  # probability of class a by each arm, all images are of a
    baseline = np.array([0.4, 0.1, 0.7, 0.9, 0.3])
    both = [np.column_stack([p, 1 - p]) for p in (of_a, baseline)]
    world = images_of(list("aaaaa"))
    world.classes.append("b")
    found = disagreements(world, *both)
    assert found.gained.tolist() == [1, 0] and found.lost.tolist() == [2]


def test_repeats_of_an_image_are_averaged_first():
    world = images_of(list("ab"), repeats=2)
    arm = np.array([[0.4, 0.6], [0.5, 0.5], [0.9, 0.1], [0.1, 0.9]])  # image 0 wrong, then surely right
    other = np.array([[0.9, 0.1], [0.1, 0.9], [0.0, 1.0], [0.1, 0.9]])  # image 0 right, then surely wrong
    found = disagreements(world, arm, other)
    assert (found.gained.tolist(), found.lost.tolist()) == ([0], [])
    assert true_probabilities(world, arm) == pytest.approx([0.65, 0.7])


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 4))
def test_they_are_those_that_a_loop_over_images_finds_and_swapping_arms_swaps_them(seed, classes):
    rng = np.random.default_rng(seed)
    labels = np.r_[np.arange(classes), rng.integers(classes, size=20)]
    world = images_of([f"c{label}" for label in labels])
    arm, baseline = (rng.dirichlet(np.ones(classes), size=len(labels)) for _ in range(2))
    right = [(a.argmax() == label, b.argmax() == label) for a, b, label in zip(arm, baseline, labels, strict=True)]
    found, swapped = disagreements(world, arm, baseline), disagreements(world, baseline, arm)
    assert sorted(found.gained) == [i for i, pair in enumerate(right) if pair == (True, False)]
    assert sorted(found.lost) == [i for i, pair in enumerate(right) if pair == (False, True)]
    assert (found.gained.tolist(), found.lost.tolist()) == (swapped.lost.tolist(), swapped.gained.tolist())
    apart = np.abs(true_probabilities(world, arm) - true_probabilities(world, baseline))
    assert (np.diff(apart[found.gained]) <= 0).all() and (np.diff(apart[found.lost]) <= 0).all()
