"""extract (step 2, freeze): cache the frozen layers' outputs, in views other than the identity of what trains alone."""

import math
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from pipeline.arms.specs import unfreeze_of
from pipeline.config.params import Params
from pipeline.config.schema import Transfer
from pipeline.datasets.hygiene import check_unseen
from pipeline.networks.flops import GIGA, forward_and_backward, forward_flops
from pipeline.networks.freezing import cut_layer, split_at
from pipeline.networks.heads import set_precision
from pipeline.networks.inference import predictor
from pipeline.networks.keras_files import at_size
from pipeline.networks.saving import load_model
from pipeline.store.errors import InputError
from pipeline.store.files import (
    check_space,
    read_json,
    read_npy,
    read_parquet,
    release,
    replacing_folder,
    write_json,
    write_npy,
)
from pipeline.store.kept import Store
from pipeline.store.outs import FeaturePaths
from pipeline.store.paths import Paths
from pipeline.store.progress import progress
from pipeline.store.roles import examples_of, trained_by_repeat
from pipeline.training.augmentation import view_count
from pipeline.training.batches import PREDICT_BATCH, Loader, predict_in_threads
from pipeline.training.fingerprint import fingerprints
from pipeline.training.folds import images_of
from pipeline.training.on_device import images_loader
from pipeline.training.pooled import pooling

CODE = ("networks", "stages/extract.py", "store", "training")  # parts of the package that features depend on
COPIED = 1024  # activations copied at once
FLOAT16_LIMIT = float(np.finfo(np.float16).max)


def extract_pooled(backbone: keras.Model, load: Loader, examples: int, pooled: Path, label: str) -> None:
    """Write the pooled features (examples, d) float32 of the identity view."""
    batches = predict_in_threads(predictor(pooling(backbone)), load, np.arange(examples))
    done = 0
    for features in progress(batches, total=-(-examples // PREDICT_BATCH), label=f"extract {label}"):
        if not done:
            written = np.lib.format.open_memmap(pooled, "w+", features.dtype, (examples, features.shape[1]))
        written[done : done + len(features)] = features
        release(written)
        done += len(features)
    written.flush()


class Frozen:
    """The frozen layers as functions of batches, made once for all passes: TensorFlow traces each that it is given.

    Attributes:
        activate: pixels -> activations (n, h, w, c) at the cut.
        pool: activations -> pooled features (n, d) float32.
        activation_shape, pooled_shape: of one of each, (h, w, c) and (d,).
    """

    def __init__(self, trunk: keras.Model, top: keras.Model) -> None:
        pool = pooling(top)
        self.activate, self.pool = predictor(trunk), predictor(pool)
        self.activation_shape, self.pooled_shape = trunk.output_shape[1:], pool.output_shape[1:]


def passes(examples: pd.DataFrame, views: int) -> list[np.ndarray]:
    """What is computed at the cut, a pass after the other; each bool (examples, views).

    First the identity view of all images. Then, for every repeat, the other views of those that it is the first to
    train on: images that are only validated or tested are never read in them. More repeats add passes, and those that
    were made before are in the store.
    """
    identity = np.arange(views) == 0
    found, done = [np.tile(identity, (len(examples), 1))], np.zeros(len(examples), bool)
    for trained in trained_by_repeat(examples):
        if (new := np.outer(trained & ~done, ~identity)).any():
            found.append(new)
        done |= trained
    return found


def extract_at_cut(frozen: Frozen, load: Loader, wanted: np.ndarray, label: str, files: FeaturePaths) -> None:
    """Write the activations at the cut that are wanted, with their places; if any is of the identity view, pooled ones.

    The activations are stored as float16: half the disk, and a rounding error (relative 5e-4) far below the noise of
    augmentation and dropout. The pooled features (examples, d) float32 are computed before the rounding.

    Args:
        wanted: bool (examples, views); the identity view of all examples, or of none.
    """
    which, positions = wanted.T.nonzero()  # views one after the other, the identity first
    identity = int(wanted[:, 0].sum())
    cut = np.lib.format.open_memmap(files.cut, "w+", "float16", (len(positions), *frozen.activation_shape))
    written, done = [cut], 0
    if identity:
        written.append(np.lib.format.open_memmap(files.pooled, "w+", "float32", (identity, *frozen.pooled_shape)))
    with progress(total=len(positions), label=f"extract {label}", unit="view") as bar:
        for activations in predict_in_threads(frozen.activate, load, positions, which):
            cut[done : done + len(activations)] = check_range(activations)
            if done < identity:
                written[1][done : done + len(activations)] = frozen.pool(activations)[: identity - done]
            release(*written)
            done += len(activations)
            bar.update(len(activations))
    for array in written:
        array.flush()
    places = np.full(wanted.shape, -1, "int32")
    places[positions, which] = np.arange(len(positions))
    write_npy(files.places, places)


def check_range(activations: np.ndarray) -> np.ndarray:
    """Return activations that float16 can hold.

    Raises:
        InputError: some are nan, or too large for float16.
    """
    if not np.abs(activations).max() <= FLOAT16_LIMIT:
        raise InputError(
            f"Activations at the cut reach {np.abs(activations).max():g}, more than the cache can hold "
            f"({FLOAT16_LIMIT:g}). Set `unfreeze` to another block, or to `all`, which caches nothing."
        )
    return activations


def write_features(
    backbone: keras.Model, frozen: Frozen | None, load: Loader, label: str, wanted: np.ndarray, folder: Path
) -> None:
    """Write one pass: what is wanted at the cut, or the pooled features alone where nothing is cached there."""
    files = FeaturePaths(folder)
    if frozen:
        extract_at_cut(frozen, load, wanted, label, files)
    else:
        extract_pooled(backbone, load, len(wanted), files.pooled, label)


def space_needed(shape: tuple[int, ...], wanted: list[np.ndarray], missing: list[bool]) -> int:
    """The bytes of all passes in the output and in DVC's cache, and of those that are missing in the store; 0 if none.

    Args:
        shape: of one activation.
    """
    copies = sum((2 + new) * int(each.sum()) for each, new in zip(wanted, missing, strict=True))
    return 2 * math.prod(shape) * copies if any(missing) else 0


def cost_of(
    backbone: keras.Model, trunk: keras.Model | None, top: keras.Model, wanted: list[np.ndarray]
) -> dict[str, Any]:
    """The content of cost.json, but for the cut: what all passes compute; see FeaturePaths.

    Args:
        trunk: None where nothing is cached.
    """
    images, views = wanted[0].shape
    of_view = forward_flops(trunk) if trunk else 0
    of_image = of_view + forward_flops(top) if trunk else forward_flops(backbone)
    activations = sum(int(each.sum()) for each in wanted)
    in_all_views = int(np.any(wanted, axis=0).all(axis=1).sum()) if views else 0
    flops = images * of_image + (activations - images) * of_view
    counts = {"images": images, "views": views, "in_all_views": in_all_views}
    return {**counts, "image_flops": of_image, "view_flops": of_view, **forward_and_backward(flops / GIGA, 0.0)}


def join(parts: list[FeaturePaths], files: FeaturePaths) -> None:
    """Write what several passes gave as one; the first has the pooled features, and where nothing is cached no more."""
    shutil.copyfile(parts[0].pooled, files.pooled)
    if not parts[0].cut.exists():
        return
    cuts = [read_npy(part.cut) for part in parts]
    joined = np.lib.format.open_memmap(files.cut, "w+", "float16", (sum(map(len, cuts)), *cuts[0].shape[1:]))
    places, done = np.full(read_npy(parts[0].places).shape, -1, "int32"), 0
    for part, cut in zip(parts, cuts, strict=True):
        own = read_npy(part.places)
        places[own >= 0] = own[own >= 0] + done
        for start in range(0, len(cut), COPIED):
            rows = cut[start : start + COPIED]
            joined[done : done + len(rows)] = rows
            release(cut, joined)
            done += len(rows)
    joined.flush()
    write_npy(files.places, places)


def check_target_unseen(paths: Paths, transfer: Transfer) -> None:
    """Raise InputError if the source was pretrained here on images of the target; published sources list no images."""
    seen, target = paths.source(transfer.source).seen, paths.target(transfer.target)
    if seen.exists():
        origin, examples = read_json(target.images), read_parquet(target.examples)
        check_unseen(read_parquet(seen), examples, origin["dataset"], transfer.source, transfer.target)


def run(params: Params, paths: Paths, name: str) -> str:
    """Read images and backbone, write pooled features and, where tune needs them, activations at the cut."""
    transfer = params.transfers[name]
    keras.config.set_dtype_policy(params.run.precision)
    source = paths.source(transfer.source)
    images = images_of(paths, transfer.target)
    backbone = at_size(load_model(source.backbone), read_npy(images).shape[1], source.backbone)
    set_precision(backbone)
    check_target_unseen(paths, transfer)
    examples = examples_of(paths.target(transfer.target), f"transfers/{name}")
    rows = examples["row"].to_numpy()
    load = images_loader(images, rows, params.run.augmentation)
    unfreeze = unfreeze_of(params, name)
    cut = cut_layer(backbone, unfreeze)
    trunk, top = split_at(backbone, cut)
    # nothing is cached where everything is tuned (the cut is the input) or nothing (the cut is the output)
    frozen = Frozen(trunk, top) if trunk and unfreeze != 0 else None
    views = view_count(params.run.augmentation) if frozen else 0
    wanted = passes(examples, views)
    content = [source.backbone, images, rows.tolist(), params.run.augmentation, cut, params.run.precision]
    keys = fingerprints(([*content, each.T.astype(int).tolist()] for each in wanted), CODE)
    store = Store(paths.store)
    with store.in_use(), replacing_folder(paths.features(name).folder) as folder:
        if frozen:
            missing = [not store.entry(key).exists() for key in keys]
            check_space(folder, space_needed(frozen.activation_shape, wanted, missing))
        write = partial(write_features, backbone, frozen, load, name)
        kept = [store.make(key, partial(write, each)) for key, each in zip(keys, wanted, strict=True)]
        join([FeaturePaths(each) for each in kept], FeaturePaths(folder))
        cost = cost_of(backbone, trunk if frozen else None, top, wanted)
        write_json(FeaturePaths(folder).cost, {"cut": cut, **cost})
    if not frozen:
        return f"{len(rows):,} images, pooled only"
    return f"{len(rows):,} images, {cost['in_all_views']:,} of them in {views} views, cached at {cut}"
