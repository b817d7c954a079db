"""Random views for two-view pretraining: crop, symmetry of the square, brightness and contrast."""

import numpy as np
from PIL import Image

from pipeline.training.augmentation import view_count, views
from pipeline.training.batches import as_rgb

ASPECT = 4 / 3  # largest ratio of a crop's sides (Szegedy et al., CVPR 2015)


def random_views(
    images: np.ndarray, smallest_crop: float, augmentation: str, brightness: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw one view of every image.

    Args:
        images: uint8 (n, s, s, c).
        smallest_crop: the crop's share of the image's area is uniform between this and 1.
        augmentation: the symmetries, as in `run.augmentation`.
        brightness: largest relative change of the mean and, drawn independently, of the contrast.
        rng: source of all random draws.

    Returns:
        float32 (n, s, s, 3) of 0..255.
    """
    boxes = random_boxes(len(images), images.shape[1], smallest_crop, rng)
    cropped = np.stack([crop(image, box) for image, box in zip(images, boxes, strict=True)])
    turned = views(cropped, augmentation, rng.integers(view_count(augmentation), size=len(images)))
    return as_rgb(relight(turned, brightness, rng))


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


def relight(images: np.ndarray, brightness: float, rng: np.random.Generator) -> np.ndarray:
    """Change each image's mean and contrast (n, s, s, c) by factors of 1 - brightness to 1 + brightness; float32."""
    light, contrast = rng.uniform(1 - brightness, 1 + brightness, (2, len(images), 1, 1, 1)).astype("float32")
    pixels = images.astype("float32")
    mean = pixels.mean(axis=(1, 2, 3), keepdims=True)
    return np.clip((pixels - mean) * contrast + mean * light, 0, 255)
