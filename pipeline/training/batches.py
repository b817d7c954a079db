"""Data loading: NumPy batches from memory-mapped arrays, the same on every Keras backend."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import joblib
import keras
import numpy as np

from pipeline.networks.inference import Predictor, present_predictor
from pipeline.store.cores import one_core
from pipeline.store.files import read_npy, release
from pipeline.training.augmentation import views

PREDICT_BATCH = 64
# positions of examples (n,), view indices (n,) -> inputs of the trained network, float32 (n, ...)
Loader = Callable[[np.ndarray, np.ndarray], np.ndarray]


def pixel_loader(images: Path, rows: np.ndarray, augmentation: str) -> Loader:
    """Load pixels 0..255 as (n, s, s, 3); `rows[i]` is the row of example i in images.npy; grey images become RGB."""
    stored = read_npy(images)

    def load(positions: np.ndarray, which: np.ndarray) -> np.ndarray:
        pixels = np.asarray(stored[rows[positions]])
        release(stored)
        return as_rgb(views(pixels, augmentation, which)).astype("float32")

    return load


def activation_loader(cut: Path, places: Path) -> Loader:
    """Load activations (n, h, w, c) that `extract` cached; only views of images that train are there (outs.py)."""
    stored, where = read_npy(cut), np.load(places, allow_pickle=False)

    def load(positions: np.ndarray, which: np.ndarray) -> np.ndarray:
        activations = np.asarray(stored[found_at(where, positions, which)], dtype="float32")
        release(stored)
        return activations

    return load


def found_at(places: np.ndarray, positions: np.ndarray, which: np.ndarray | int) -> np.ndarray:
    """Where the activations of examples at positions lie in the cache under these views, int32 (n,) or broadcast.

    Args:
        places: int32 (examples, views); see FeaturePaths.

    Raises:
        RuntimeError: one was not computed. Its place of -1 would silently read another's.
    """
    found: np.ndarray = places[positions, which]
    if (found < 0).any():
        raise RuntimeError(f"{(found < 0).sum()} activations are not in the cache: of images that no fold trains on")
    return found


def feature_loader(pooled: Path) -> Loader:
    """Load pooled features (n, d), which exist for the identity view only."""
    stored = np.load(pooled, allow_pickle=False)  # in memory: a row is 5 KB, read hundreds of times
    return lambda positions, which: stored[positions]


def as_rgb(batch: np.ndarray) -> np.ndarray:
    """Replicate grey images (n, s, s, 1) to three channels; leave colour images unchanged."""
    return np.repeat(batch, 3, axis=-1) if batch.shape[-1] == 1 else batch


class EpochShape(NamedTuple):
    """An epoch: `passes` over the examples, in `steps` batches of `size`."""

    passes: int
    steps: int
    size: int


def epoch_shape(examples: int, batch_size: int, min_steps: int = 1) -> EpochShape:
    """The fewest passes over the examples that give `min_steps` full batches; an incomplete last batch is dropped.

    Batches of one shape are compiled once, and batch normalization needs more than a few images. The order is new every
    epoch, so the dropped examples change.
    """
    size = min(batch_size, examples)
    passes = max(1, -(-min_steps * size // examples))
    return EpochShape(passes, passes * examples // size, size)


def draw_epoch(rng: np.random.Generator, examples: int, views: int, shape: EpochShape) -> tuple[np.ndarray, np.ndarray]:
    """Draw an epoch's batches: positions of examples and their view indices, each int (steps, size).

    Every pass is a permutation of all examples; a view is drawn for every example of a pass.
    """
    order, which = [], []
    for _ in range(shape.passes):
        permutation = rng.permutation(examples)
        order.append(permutation)
        which.append(rng.integers(views, size=examples)[permutation])
    used = shape.steps * shape.size
    batched = (np.concatenate(parts)[:used].reshape(shape.steps, shape.size) for parts in (order, which))
    return next(batched), next(batched)


def predict(call: Predictor, load: Loader, positions: np.ndarray, view: int = 0) -> Iterator[np.ndarray]:
    """Yield a network's outputs for positions (n,) in batches, under one view.

    The last batch is padded and its outputs are cut, so that only one shape is compiled.

    Args:
        call: inputs (b, ...) to outputs (b, ...): a model's `predict_on_batch`, or that of networks/inference.py.
    """
    for start in range(0, len(positions), PREDICT_BATCH):
        batch = positions[start : start + PREDICT_BATCH]
        yield _outputs(call, load, batch, np.full_like(batch, view))


def predict_now(model: keras.Model, load: Loader, positions: np.ndarray) -> np.ndarray:
    """A network's outputs (n, ...) with its present weights for positions (n,) under view 0.

    On an accelerator all batches are queued before the first output is read.
    """
    outputs = list(predict(present_predictor(model), load, positions))
    return np.concatenate([keras.ops.convert_to_numpy(output) for output in outputs])


def predict_in_threads(
    call: Predictor, load: Loader, positions: np.ndarray, which: np.ndarray | int = 0
) -> Iterator[np.ndarray]:
    """`predict` with as many batches at once as joblib's ambient configuration says, each on one core; same bytes.

    Args:
        which: the view of every position, int (n,), or one for all.
    """
    views_of = np.broadcast_to(which, positions.shape)

    def outputs(batch: slice) -> np.ndarray:
        with one_core():
            return _outputs(call, load, positions[batch], views_of[batch])

    starts = range(0, len(positions), PREDICT_BATCH)
    batches = (joblib.delayed(outputs)(slice(start, start + PREDICT_BATCH)) for start in starts)
    at_once = min(joblib.effective_n_jobs(None), joblib.cpu_count())  # of a cluster, the cores of this machine
    yield from joblib.Parallel(at_once, backend="threading", return_as="generator")(batches)


def _outputs(call: Predictor, load: Loader, batch: np.ndarray, which: np.ndarray) -> np.ndarray:
    return call(load(np.resize(batch, PREDICT_BATCH), np.resize(which, PREDICT_BATCH)))[: len(batch)]
