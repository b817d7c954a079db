"""Random views for two-view pretraining: crop, symmetry of the square, brightness and contrast."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from pipeline.pretraining.settings import TwoViews
from pipeline.training.augmentation import view_count, views
from pipeline.training.batches import as_rgb

ASPECT = 4 / 3  # largest ratio of a crop's sides (Szegedy et al., CVPR 2015)


class Draws(NamedTuple):
    """What is drawn for one view of each of n images.

    Attributes:
        boxes: of the crops, (n, 4): left, top, right, bottom in pixels.
        which: views of the augmentation, int (n,).
        light: factors of the mean, float32 (n, 1, 1, 1).
        contrast: factors of the differences from the mean, float32 (n, 1, 1, 1).
    """

    boxes: np.ndarray
    which: np.ndarray
    light: np.ndarray
    contrast: np.ndarray


def draw_views(count: int, size: int, settings: TwoViews, augmentation: str, rng: np.random.Generator) -> Draws:
    """Draw one view of each of so many images.

    Args:
        count: of the images.
        size: their side in pixels.
        settings: `smallest_crop`, from which to 1 the crop's share of the image's area is uniform, and `brightness`,
            the largest relative change of the mean and, drawn independently, of the contrast.
        augmentation: the symmetries, as in `run.augmentation`.
        rng: source of all random draws.
    """
    boxes = random_boxes(count, size, settings.smallest_crop, rng)
    which = rng.integers(view_count(augmentation), size=count)
    factors = rng.uniform(1 - settings.brightness, 1 + settings.brightness, (2, count, 1, 1, 1)).astype("float32")
    return Draws(boxes, which, *factors)


def make_views(images: np.ndarray, augmentation: str, draws: Draws) -> np.ndarray:
    """The views, float32 (n, s, s, 3) of 0..255, of images uint8 (n, s, s, c)."""
    cropped = np.stack([crop(image, box) for image, box in zip(images, draws.boxes, strict=True)])
    turned = views(cropped, augmentation, draws.which)
    return as_rgb(relight(turned, draws.light, draws.contrast))


def random_boxes(count: int, size: int, smallest_crop: float, rng: np.random.Generator) -> np.ndarray:
    """Boxes (count, 4) left, top, right, bottom within 0..size, of random area, aspect ratio and position."""
    area = rng.uniform(smallest_crop, 1, count)
    root = np.sqrt(np.exp(rng.uniform(-np.log(ASPECT), np.log(ASPECT), count)))
    sides = size * np.minimum(np.sqrt(area)[:, None] * np.stack([root, 1 / root], axis=1), 1)
    corner = rng.uniform(size=(count, 2)) * (size - sides)
    return np.concatenate([corner, np.minimum(corner + sides, size)], axis=1)


def crop(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Crop an image uint8 (s, s, c) to a box and resize it to (s, s, c), bilinear."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    scaled = picture.resize(picture.size, Image.Resampling.BILINEAR, box=tuple(box))
    return np.asarray(scaled).reshape(image.shape)


def relight(images: np.ndarray, light: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """Change each image's mean and contrast (n, s, s, c) by factors (n, 1, 1, 1); float32."""
    pixels = images.astype("float32")
    mean = pixels.mean(axis=(1, 2, 3), keepdims=True)
    return np.clip((pixels - mean) * contrast + mean * light, 0, 255)
