"""Loaders whose arrays lie in an accelerator's memory: sent there once, batches and their views are made there.

From NumPy every batch of 224 pixels crosses to the card as float32, four bytes a value and anew in every epoch; uint8
images cross once. On a CPU nothing changes: there the loaders of batches.py serve.
"""

from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from pipeline.networks.device import device_name
from pipeline.store.files import read_npy
from pipeline.training.augmentation import view, view_count
from pipeline.training.batches import Loader, activation_loader, found_at, pixel_loader

MOST_BYTES = 8 * 2**30  # of one array in the accelerator's memory; a larger one stays on the host


def images_loader(images: Path, rows: np.ndarray, augmentation: str) -> Loader:
    """The loader of pixels: `pixel_loader`, or on an accelerator that has room the same from its memory."""
    held = held_images(images, rows)
    return pixel_loader(images, rows, augmentation) if held is None else DeviceImages(*held, augmentation)


def held_images(images: Path, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The images that `rows` names and the row of each example among them, to be held by the accelerator.

    None on a CPU, and where they are larger than MOST_BYTES.
    """
    if device_name() == "cpu":
        return None
    stored, (used, own) = read_npy(images), np.unique(rows, return_inverse=True)
    return None if stored[:1].nbytes * len(used) > MOST_BYTES else (np.asarray(stored[used]), own)


def cut_loader(cut: Path, places: Path) -> Loader:
    """The loader of cached activations: `activation_loader`, or on an accelerator that has room from its memory."""
    stored = read_npy(cut)
    if device_name() == "cpu" or stored.nbytes > MOST_BYTES:
        return activation_loader(cut, places)
    return DeviceCut(stored, np.load(places, allow_pickle=False))


class DeviceImages:
    """Load pixels 0..255 as float32 (n, s, s, 3) on the backend's device.

    Args:
        images: uint8 (m, s, s, 1 or 3), sent to the device as they are.
        rows: of every example in `images`, int (examples,).
        augmentation: a name of training/augmentation.py.
    """

    def __init__(self, images: np.ndarray, rows: np.ndarray, augmentation: str) -> None:
        self.images = ops.convert_to_tensor(images)
        self.rows = np.asarray(rows, "int32")
        self.steps = symmetry_steps(augmentation)

    def __call__(self, positions: np.ndarray, which: np.ndarray) -> Any:
        taken = ops.take(self.images, self.rows[positions], axis=0)
        return as_rgb_on_device(ops.cast(symmetric(taken, self.steps[which]), "float32"))


class DeviceCut:
    """Load activations (n, h, w, c) float32 on the backend's device.

    Args:
        stored: float16 (activations, h, w, c). places: where each lies in it, int32 (examples, views).
    """

    def __init__(self, stored: np.ndarray, places: np.ndarray) -> None:
        self.stored, self.places = ops.convert_to_tensor(np.asarray(stored)), places

    def __call__(self, positions: np.ndarray, which: np.ndarray) -> Any:
        return ops.cast(ops.take(self.stored, found_at(self.places, positions, which), axis=0), "float32")


def as_rgb_on_device(pixels: Any) -> Any:
    """`as_rgb` of images (n, s, s, 1 or 3) on the device."""
    return pixels if pixels.shape[-1] == 3 else ops.repeat(pixels, 3, axis=-1)


def symmetric(images: Any, steps: np.ndarray) -> Any:
    """Move each image (n, s, s, c) on the device by its `symmetry_steps`, bool (n, 3)."""
    for number, move in enumerate((_transposed, _upside_down, _mirrored)):
        chosen = steps[:, number]
        if chosen.any():
            images = ops.where(chosen[:, None, None, None], move(images), images)
    return images


def symmetry_steps(augmentation: str) -> np.ndarray:
    """Each view as up to three steps in this order, bool (views, 3): transposed, upside down, mirrored."""
    probe = np.arange(4).reshape(1, 2, 2, 1)  # no two symmetries of the square treat it alike
    possible = [(t, u, m) for t in (False, True) for u in (False, True) for m in (False, True)]
    by_result = {_moved(probe, steps).tobytes(): steps for steps in possible}
    views = (view(probe, augmentation, index) for index in range(view_count(augmentation)))
    return np.array([by_result[np.ascontiguousarray(seen).tobytes()] for seen in views])


def _moved(images: np.ndarray, steps: tuple[bool, bool, bool]) -> np.ndarray:
    transposed, upside_down, mirrored = steps
    images = images.transpose(0, 2, 1, 3) if transposed else images
    images = images[:, ::-1] if upside_down else images
    return np.ascontiguousarray(images[:, :, ::-1] if mirrored else images)


def _transposed(images: Any) -> Any:
    return ops.transpose(images, (0, 2, 1, 3))


def _upside_down(images: Any) -> Any:
    return ops.flip(images, axis=1)


def _mirrored(images: Any) -> Any:
    return ops.flip(images, axis=2)
