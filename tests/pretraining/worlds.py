"""A small network and small images for the tests of pretraining."""

from pathlib import Path

import keras
import numpy as np

from pipeline.pretraining.settings import PretrainFitting, SimCLR, VICReg
from pipeline.pretraining.task import Task
from pipeline.store.files import write_npy

SIZE, IMAGES = 16, 48
FIT = {"learning_rate": 2e-2, "epochs": 4, "batch_size": 16, "warmup": 0.1, "weight_decay": 1e-4}
FIT |= {"batch_norm_momentum": 0.8}
VIEWS = {**FIT, "smallest_crop": 0.5, "brightness": 0.2, "projection": 6}
SETTINGS = {
    "supervised": PretrainFitting(**FIT),
    "rotation": PretrainFitting(**FIT),
    "simclr": SimCLR(**VIEWS, temperature=0.5),
    "vicreg": VICReg(**VIEWS, invariance=25.0, variance=25.0, covariance=1.0),
}


def backbone(seed: int = 0) -> keras.Model:
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    pixels = keras.Input((SIZE, SIZE, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 64, offset=-2, name="preprocess")(pixels)
    for block, filters in (("block1", 6), ("block2", 8)):
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", name=f"{block}_conv")(x)
        x = keras.layers.BatchNormalization(name=f"{block}_bn")(x)
        x = keras.layers.ReLU(name=f"{block}_relu")(x)
    return keras.Model(pixels, x, name="small")


def pixels(bright: np.ndarray, seed: int = 0) -> np.ndarray:
    """Grey noise uint8 (n, 16, 16, 1) over a ramp from dark at the top to light at the bottom; some are `bright`."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 100, SIZE)[:, None, None]
    images = rng.integers(40, 80, (len(bright), SIZE, SIZE, 1)) + ramp
    images[bright, :, 6:10] += 60
    return np.clip(images, 0, 255).astype("uint8")


def task(folder: Path, method: str, permuted: bool = False, **settings: object) -> Task:
    """48 images of two classes; every fourth is in the validation part."""
    labels = np.resize(["plain", "barred", "plain"], IMAGES).astype(object)  # two to one
    write_npy(folder / "images.npy", pixels(labels == "barred"))
    role = np.where(np.arange(IMAGES) % 4 == 0, "validation", "train").astype(object)
    if permuted:
        labels = np.random.default_rng(1).permutation(labels)
    return Task(
        name="own",
        backbone=backbone(),
        images=folder / "images.npy",
        rows=np.arange(IMAGES),
        role=role if method in ("supervised", "rotation") else np.full(IMAGES, "train", object),
        labels=labels if method == "supervised" else None,
        augmentation="none" if method == "supervised" else "flips",
        kernels="fused",
        settings=SETTINGS[method].model_copy(update=settings),
        seed=3,
    )


def features(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return model.predict_on_batch(np.repeat(images, 3, axis=-1).astype("float32")).mean(axis=(1, 2))
