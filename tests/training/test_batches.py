"""Batches: equal shapes, no example twice, and the same numbers however examples are cut into batches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.store.files import write_npy
from pipeline.training.batches import (
    PREDICT_BATCH,
    activation_loader,
    as_rgb,
    draw_epoch,
    epoch_shape,
    feature_loader,
    found_at,
    pixel_loader,
    predict,
    predict_in_threads,
)


@given(count=st.integers(1, 300), size=st.integers(1, 400), seed=st.integers(0, 9))
def test_batches_are_equal_and_use_every_example_at_most_once(count, size, seed):
    shape = epoch_shape(count, size)
    batches, which = draw_epoch(np.random.default_rng(seed), count, 4, shape)
    assert batches.shape == which.shape == (shape.steps, min(size, count))
    assert (shape.passes, shape.steps >= 1) == (1, True)
    used = batches.ravel()
    assert len(set(used)) == len(used) and set(used) <= set(range(count))
    assert count - len(used) < batches.shape[1]
    assert set(which.ravel()) <= set(range(4))


@given(count=st.integers(1, 100), size=st.integers(1, 120), min_steps=st.integers(1, 50))
def test_an_epoch_makes_min_steps_in_as_few_whole_passes_as_that_takes(count, size, min_steps):
    shape = epoch_shape(count, size, min_steps)
    assert shape.steps >= min_steps
    assert shape.passes == 1 or (shape.passes - 1) * count < min_steps * shape.size
    order = draw_epoch(np.random.default_rng(0), count, 2, shape)[0].ravel()
    assert shape.passes * count - len(order) < shape.size
    for start in range(0, len(order), count):
        seen = order[start : start + count]
        assert len(set(seen)) == len(seen)  # a permutation, the last one perhaps cut


def test_greys_become_three_equal_channels_and_colours_stay():
    grey = np.arange(8, dtype="uint8").reshape(2, 2, 2, 1)
    assert np.array_equal(as_rgb(grey), np.concatenate([grey] * 3, axis=-1))
    colour = np.arange(24, dtype="uint8").reshape(2, 2, 2, 3)
    assert as_rgb(colour) is colour


class Doubling:
    """Stands for a network; remembers the shapes that it was given."""

    def __init__(self):
        self.shapes = set()

    def predict_on_batch(self, batch):
        self.shapes.add(batch.shape)
        return batch * 2


@pytest.mark.parametrize("count", [1, PREDICT_BATCH - 1, PREDICT_BATCH, PREDICT_BATCH + 1, 3 * PREDICT_BATCH])
def test_prediction_covers_all_positions_in_order_with_one_shape(count):
    model, values = Doubling(), np.arange(1000.0)
    positions = np.random.default_rng(0).permutation(1000)[:count]
    outputs = np.concatenate(list(predict(model.predict_on_batch, lambda rows, which: values[rows], positions)))
    assert np.array_equal(outputs, positions * 2.0)
    assert model.shapes == {(PREDICT_BATCH,)}


@pytest.mark.parametrize("count", [1, PREDICT_BATCH, 2 * PREDICT_BATCH + 1])
def test_views_of_a_prediction_go_with_their_positions(count):
    positions, which = np.arange(count), np.arange(count) % 8
    outputs = predict_in_threads(lambda batch: batch, lambda rows, views: rows * 8 + views, positions, which)
    assert np.array_equal(np.concatenate(list(outputs)), positions * 8 + which)


def test_pixels_are_those_of_the_examples_row_under_its_view(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (5, 4, 4, 1), dtype="uint8")
    write_npy(tmp_path / "images.npy", images)
    load = pixel_loader(tmp_path / "images.npy", np.array([4, 2, 0]), "mirror")
    batch = load(np.array([0, 2, 1]), np.array([0, 1, 0]))
    assert batch.dtype == np.float32 and batch.shape == (3, 4, 4, 3)
    assert np.array_equal(batch[..., 0], np.stack([images[4], images[0][:, ::-1], images[2]])[..., 0])


def test_activations_are_those_of_the_view(tmp_path):
    cut = np.arange(20, dtype="float16").reshape(5, 2, 2, 1)
    write_npy(tmp_path / "cut.npy", cut)
    write_npy(tmp_path / "places.npy", np.array([[2, -1], [0, 4], [1, 3]], "int32"))
    load = activation_loader(tmp_path / "cut.npy", tmp_path / "places.npy")
    batch = load(np.array([2, 0]), np.array([1, 0]))
    assert batch.dtype == np.float32
    assert np.array_equal(batch, np.stack([cut[3], cut[2]]))
    with pytest.raises(RuntimeError, match="1 activations are not in the cache"):
        load(np.array([2, 0]), np.array([1, 1]))


def test_an_activation_that_was_not_computed_is_never_another_one():
    places = np.array([[0, -1], [1, 2]], "int32")
    assert found_at(places, np.array([[0], [1]]), 0).tolist() == [[0], [1]]
    assert found_at(places, np.array([1]), np.arange(2)).tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="1 activations are not in the cache"):
        found_at(places, np.array([[0], [1]]), np.arange(2))
    with pytest.raises(IndexError):
        found_at(places, np.array([1]), 2)


def test_features_do_not_depend_on_the_view(tmp_path):
    write_npy(tmp_path / "pooled.npy", np.eye(3, dtype="float32"))
    load = feature_loader(tmp_path / "pooled.npy")
    assert np.array_equal(load(np.array([1, 2]), np.array([0, 5])), np.eye(3)[[1, 2]])
