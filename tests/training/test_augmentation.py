"""Views: the symmetries of the square, the identity first."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.training.augmentation import AUGMENTATIONS, view, view_count, views

squares = st.tuples(st.integers(1, 4), st.integers(1, 5), st.sampled_from([1, 3])).flatmap(
    lambda shape: hnp.arrays("uint8", (shape[0], shape[1], shape[1], shape[2]))
)
# one image whose eight symmetries all differ
LOPSIDED = np.arange(9, dtype="uint8").reshape(1, 3, 3, 1)


def all_views(images, name):
    return [view(images, name, index) for index in range(view_count(name))]


@pytest.mark.parametrize(("name", "count"), [("none", 1), ("mirror", 2), ("flips", 4), ("dihedral", 8)])
def test_views_are_distinct_and_as_many_as_named(name, count):
    assert view_count(name) == len({seen.tobytes() for seen in all_views(LOPSIDED, name)}) == count


def test_dihedral_views_are_the_symmetries_of_the_square():
    plane = LOPSIDED[0, :, :, 0]
    turned = [np.rot90(p, k) for p in (plane, plane.T) for k in range(4)]
    assert {seen.tobytes() for seen in all_views(LOPSIDED, "dihedral")} == {t.tobytes() for t in turned}


def test_mirror_and_flips_are_what_they_are_called():
    left_right, up_down = LOPSIDED[:, :, ::-1], LOPSIDED[:, ::-1]
    assert np.array_equal(view(LOPSIDED, "mirror", 1), left_right)
    assert {v.tobytes() for v in all_views(LOPSIDED, "flips")} >= {left_right.tobytes(), up_down.tobytes()}


@given(images=squares, name=st.sampled_from(sorted(AUGMENTATIONS)))
def test_the_first_view_is_the_image_and_every_view_can_be_undone(images, name):
    seen = all_views(images, name)
    assert np.array_equal(seen[0], images)
    for index in range(len(seen)):
        assert (seen[index].shape, seen[index].dtype) == (images.shape, images.dtype)
        undone = [view(seen[index], name, other) for other in range(len(seen))]  # each is a group
        assert any(np.array_equal(image, images) for image in undone)


def test_one_view_undoes_a_view_for_all_images_alike():
    for first in range(8):
        undone = [other for other in range(8) if np.array_equal(compose(LOPSIDED, first, other), LOPSIDED)]
        assert len(undone) == 1


def test_views_are_closed_under_composition():
    known = {seen.tobytes() for seen in all_views(LOPSIDED, "dihedral")}
    for first, second in itertools.product(range(8), repeat=2):
        assert compose(LOPSIDED, first, second).tobytes() in known


def compose(images, first, second):
    return view(view(images, "dihedral", first), "dihedral", second)


@given(images=squares, data=st.data())
def test_every_image_gets_its_own_view(images, data):
    which = np.array(data.draw(st.lists(st.integers(0, 7), min_size=len(images), max_size=len(images))))
    mixed = views(images, "dihedral", which)
    for position, index in enumerate(which):
        assert np.array_equal(mixed[position], view(images[position : position + 1], "dihedral", index)[0])
