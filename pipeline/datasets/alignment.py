"""Is one picture a crop of another? Thumbnails are aligned before they are compared."""

import numpy as np

CROPPED = 0.16  # greatest share of a side that a crop takes away
COARSE_TO_FINE = (4, 2, 1)  # thumbnails are shrunk by these factors in turn
ITERATIONS = 4  # at each
BATCH = 256  # pairs aligned at once; bounds the memory to about 50 MB
DETAILED = 40.0  # pixels of 1024: with fewer, a picture is one small object, which can be aligned with any other


def texture(grey: np.ndarray) -> np.ndarray:
    """Grey minus row and column means, float32 (n, side, side): removes frames and busbars that all images share."""
    grey = grey.astype(np.float32)
    rows, columns = grey.mean(1, keepdims=True), grey.mean(2, keepdims=True)
    return grey - rows - columns + grey.mean((1, 2), keepdims=True)


def power(texture: np.ndarray) -> np.ndarray:
    """Root mean square, (n,), in grey levels."""
    return np.sqrt((texture**2).mean((1, 2)))


def correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlation of two textures, (n,)."""
    return (first * second).mean((1, 2)) / np.maximum(power(first) * power(second), 1e-9)


def smooth_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlation of the textures of two grey images at half their side: what different sampling leaves alike."""
    return correlation(texture(_pooled(first, 2)), texture(_pooled(second, 2)))


def detailed(texture: np.ndarray) -> np.ndarray:
    """Whether the texture is spread over the picture, bool (n,): its participation ratio in pixels."""
    energy = texture.astype(np.float64) ** 2
    return energy.sum((1, 2)) ** 2 / np.maximum((energy**2).sum((1, 2)), 1e-9) >= DETAILED


def crop_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Greatest correlation of each pair when one picture is a crop of the other, (n,).

    Args:
        first, second: (n, side, side), grey.
    """
    best = np.full(len(first), -1.0)
    for start in range(0, len(first), BATCH):
        one, two = (side[start : start + BATCH].astype(np.float32) for side in (first, second))
        best[start : start + BATCH] = np.maximum(_as_crop(one, two), _as_crop(two, one))
    return best


def _as_crop(whole: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """Fit crop(x) = whole((1 - cut) x + shift) on each axis, x in -1..1, and correlate; coarse to fine.

    A crop lies inside: |shift| <= cut. A mere shift is no crop.
    """
    cut, shift = (np.zeros((len(whole), 2), np.float32) for _ in range(2))  # of the vertical and horizontal axis
    for factor in COARSE_TO_FINE:
        cut, shift = _fitted(_pooled(whole, factor), _standard(_pooled(crop, factor)), cut, shift)
    return smooth_correlation(_warped(whole, cut, shift), crop)


def _fitted(whole: np.ndarray, crop: np.ndarray, cut: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Improve cut and shift by Gauss-Newton steps (Lucas and Kanade 1981)."""
    x = _coordinates(whole.shape[1])
    for _ in range(ITERATIONS):
        now = _standard(_warped(whole, cut, shift))
        slope = [gradient * (len(x) / 2) for gradient in np.gradient(now, axis=(1, 2))]
        columns = [slope[0], -slope[0] * x[:, None], slope[1], -slope[1] * x]
        jacobian = np.stack(columns, -1).reshape(len(whole), -1, 4)
        transposed = jacobian.transpose(0, 2, 1)
        gram = transposed @ jacobian + 1e-3 * len(x) * np.eye(4, dtype=np.float32)
        step = np.linalg.solve(gram, transposed @ (crop - now).reshape(len(whole), -1, 1))[..., 0]
        cut = np.clip(cut + step[:, 1::2], 0, CROPPED)
        shift = np.clip(shift + step[:, ::2], -cut, cut)
    return cut, shift


def _warped(image: np.ndarray, cut: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Part of each image, linearly interpolated to the full side."""
    side = image.shape[1]
    x = _coordinates(side)
    at = (1 - cut[..., None]) * x + shift[..., None]  # (n, 2, side)
    place = np.clip((at + 1) * (side / 2) - 0.5, 0, side - 1)
    weight = np.maximum(0, 1 - np.abs(place[..., None] - np.arange(side, dtype=np.float32)))
    warped: np.ndarray = weight[:, 0] @ image @ weight[:, 1].transpose(0, 2, 1)
    return warped


def _coordinates(side: int) -> np.ndarray:
    """Centres of the pixels of a side, -1..1."""
    return ((np.arange(side, dtype=np.float32) + 0.5) / side) * 2 - 1


def _pooled(image: np.ndarray, factor: int) -> np.ndarray:
    side = image.shape[1] // factor
    pooled: np.ndarray = image.reshape(-1, side, factor, side, factor).mean((2, 4))
    return pooled


def _standard(image: np.ndarray) -> np.ndarray:
    centred = image - image.mean((1, 2), keepdims=True)
    standard: np.ndarray = centred / np.maximum(np.sqrt((centred**2).mean((1, 2), keepdims=True)), 1e-6)
    return standard
