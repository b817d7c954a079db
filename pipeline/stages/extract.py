"""extract (step 2, freeze): cache the frozen layers' outputs; augmented views only of images that a fold trains on."""

import math
import shutil
from pathlib import Path

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
FLOAT16_LIMIT = float(np.finfo(np.float16).max)


def extract_pooled(backbone: keras.Model, load: Loader, examples: int, pooled: Path, label: str) -> None:
    """Write the pooled features (examples, d) float32 of the identity view."""
    batches = predict_in_threads(predictor(pooling(backbone), examples), load, np.arange(examples))
    done = 0
    for features in progress(batches, total=-(-examples // PREDICT_BATCH), label=f"extract {label}"):
        if not done:
            written = np.lib.format.open_memmap(pooled, "w+", features.dtype, (examples, features.shape[1]))
        written[done : done + len(features)] = features
        release(written)
        done += len(features)
    written.flush()


def wanted_views(examples: pd.DataFrame, views: int) -> np.ndarray:
    """What is computed at the cut, bool (examples, views): the identity view of all images, and the others only of
    images that a fold trains on. Images that are only validated or tested are never read in them.
    """
    trained = np.any(trained_by_repeat(examples), axis=0)
    return trained[:, None] | (np.arange(views) == 0)


def extract_at_cut(
    trunk: keras.Model, top: keras.Model, load: Loader, wanted: np.ndarray, files: FeaturePaths, label: str
) -> None:
    """Write the activations at the cut that are wanted, with their places, and the pooled features of all images.

    The activations are stored as float16: half the disk, and a rounding error (relative 5e-4) far below the noise of
    augmentation and dropout. The pooled features (examples, d) float32 are computed before the rounding.

    Args:
        wanted: bool (examples, views), with the identity view of all examples.
    """
    pool = pooling(top)
    which, positions = wanted.T.nonzero()  # view after view, the identity first
    activate, pooled_from = predictor(trunk, len(positions)), predictor(pool, len(wanted))
    shape, examples = (len(positions), *trunk.output_shape[1:]), len(wanted)
    check_space(files.folder, 3 * 2 * math.prod(shape))  # 2 bytes each; in the store, the output and DVC's cache
    cut = np.lib.format.open_memmap(files.cut, "w+", "float16", shape)
    pooled = np.lib.format.open_memmap(files.pooled, "w+", "float32", (examples, pool.output_shape[-1]))
    done = 0
    with progress(total=len(positions), label=f"extract {label}", unit="view") as bar:
        for activations in predict_in_threads(activate, load, positions, which):
            cut[done : done + len(activations)] = check_range(activations)
            if done < examples:
                pooled[done : done + len(activations)] = pooled_from(activations)[: examples - done]
            release(cut, pooled)
            done += len(activations)
            bar.update(len(activations))
    cut.flush()
    pooled.flush()
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
    backbone: keras.Model, cut: str, load: Loader, wanted: np.ndarray, files: FeaturePaths, label: str
) -> None:
    """Write the pooled features and, where there are views, the activations at the cut, with what they cost.

    Args:
        wanted: bool (examples, views); no views where nothing is cached at the cut.
    """
    images, views = wanted.shape
    if views:
        trunk, top = split_at(backbone, cut)
        extract_at_cut(trunk, top, load, wanted, files, label)
        view_flops = forward_flops(trunk)
        image_flops = view_flops + forward_flops(top)
    else:
        extract_pooled(backbone, load, images, files.pooled, label)
        view_flops, image_flops = 0, forward_flops(backbone)
    augmented = int(wanted[:, 1:].sum())
    counts = {"images": images, "views": views, "in_all_views": int(wanted[:, -1].sum()) if views else 0, "cut": cut}
    spent = forward_and_backward((images * image_flops + augmented * view_flops) / GIGA, 0.0)
    write_json(files.cost, {**counts, "image_flops": image_flops, "view_flops": view_flops, **spent})


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
    # nothing is cached where everything is tuned (the cut is the input) or nothing (the cut is the output)
    views = view_count(params.run.augmentation) if split_at(backbone, cut)[0] and unfreeze != 0 else 0
    wanted = wanted_views(examples, views)
    content = [source.backbone, images, rows.tolist(), params.run.augmentation, cut, params.run.precision]
    store, (key,) = Store(paths.store), fingerprints([[*content, wanted.astype(int).tolist()]], CODE)
    with store.in_use():
        kept = store.make(key, lambda to: write_features(backbone, cut, load, wanted, FeaturePaths(to), name))
        with replacing_folder(paths.features(name).folder) as folder:
            shutil.copytree(kept, folder, dirs_exist_ok=True)
    if not views:
        return f"{len(rows):,} images, pooled only"
    return f"{len(rows):,} images, {wanted[:, -1].sum():,} of them in {views} views, cached at {cut}"
