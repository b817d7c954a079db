"""Loaders of two random views of each image: made on the host by Pillow and NumPy, or in an accelerator's memory.

Both make the same views from the same draws. A crop is never shrunk, so that Pillow's bilinear resizing is
interpolation between two neighbouring pixels, along rows and then along columns, each rounded to whole grey levels.
The device does the same in float32: a value about half-way between two grey levels may become the other one.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from pipeline.pretraining.settings import TwoViews
from pipeline.pretraining.views import Draws, draw_views, make_views
from pipeline.store.files import read_npy
from pipeline.training.on_device import as_rgb_on_device, held_images, symmetric, symmetry_steps

# positions of examples (n,), random numbers -> float32 (2 n, s, s, 3) of 0..255, rows i and n + i being of one image
PairLoader = Callable[[np.ndarray, np.random.Generator], Any]


def pair_loader(images: Path, rows: np.ndarray, settings: TwoViews, augmentation: str) -> PairLoader:
    """Load pairs of views of the examples that are `rows` of images.npy, on an accelerator that has room from there."""
    held = held_images(images, rows)
    if held is None:
        return HostPairs(read_npy(images), rows, settings, augmentation)
    return DevicePairs(*held, settings, augmentation)


class Pairs:
    """What both loaders share: the images, and how views of them are drawn.

    Args:
        images: uint8 (m, s, s, 1 or 3), of NumPy or on the device.
        rows: of every example in `images`, int (examples,).
        settings: of the views.
        augmentation: a name of training/augmentation.py.
    """

    def __init__(self, images: Any, rows: np.ndarray, settings: TwoViews, augmentation: str) -> None:
        self.images, self.rows = images, rows
        self.settings, self.augmentation = settings, augmentation

    def draw(self, count: int, rng: np.random.Generator) -> list[Draws]:
        """Draw the first views of so many images, then the second ones."""
        return [draw_views(count, self.images.shape[1], self.settings, self.augmentation, rng) for _ in range(2)]


class HostPairs(Pairs):
    """Load pairs of views as NumPy arrays."""

    def __call__(self, positions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        taken = np.asarray(self.images[self.rows[positions]])
        return np.concatenate([make_views(taken, self.augmentation, draws) for draws in self.draw(len(taken), rng)])


class DevicePairs(Pairs):
    """Load the same pairs on the backend's device, to which the images are sent once, as they are."""

    def __init__(self, images: np.ndarray, rows: np.ndarray, settings: TwoViews, augmentation: str) -> None:
        super().__init__(ops.convert_to_tensor(images), rows.astype("int32"), settings, augmentation)
        self.steps = symmetry_steps(augmentation)

    def __call__(self, positions: np.ndarray, rng: np.random.Generator) -> Any:
        taken = ops.take(self.images, self.rows[positions], axis=0)
        return ops.concatenate([self._views(taken, draws) for draws in self.draw(len(positions), rng)])

    def _views(self, images: Any, draws: Draws) -> Any:
        turned = symmetric(device_crops(images, draws.boxes), self.steps[draws.which])
        return as_rgb_on_device(_relit(turned, draws))


def device_crops(images: Any, boxes: np.ndarray) -> Any:
    """`crop` of each image uint8 (n, s, s, c) on the device to its box (n, 4); whole numbers in float32."""
    left, top, right, bottom = ops.transpose(ops.convert_to_tensor(boxes.astype("float32")))
    return _stretched(_stretched(images, left, right, axis=2), top, bottom, axis=1)


def _stretched(images: Any, first: Any, last: Any, axis: int) -> Any:
    """Interpolate each image (n, s, s, c) so that its part from `first` to `last`, each (n,), fills the whole axis."""
    size = images.shape[axis]
    share = (ops.arange(size, dtype="float32") + 0.5) / size  # of the part, at the middle of each new pixel
    place = first[:, None] + (last - first)[:, None] * share - 0.5  # 0 is the middle of the first old pixel
    place = ops.reshape(ops.clip(place, 0, size - 1), (-1, 1, size, 1) if axis == 2 else (-1, size, 1, 1))
    before = ops.floor(place)
    after = ops.minimum(before + 1, size - 1)
    low, high = (
        ops.cast(ops.take_along_axis(images, ops.cast(pixel, "int32"), axis=axis), "float32")
        for pixel in (before, after)
    )
    return ops.floor(low + (high - low) * (place - before) + 0.5)


def _relit(images: Any, draws: Draws) -> Any:
    """`relight` on the device."""
    light, contrast = map(ops.convert_to_tensor, (draws.light, draws.contrast))
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return ops.clip((images - mean) * contrast + mean * light, 0, 255)
