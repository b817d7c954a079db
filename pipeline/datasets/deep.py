"""Stored values of image files with more than 8 bits a channel, which Pillow alone would cut to 8 bits."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image

WIDE = ("I", "F")  # modes of 32-bit integers and floats, which have no fixed range
# How Pillow's decoders name 16-bit colours, and the name of the same in the other byte order
NATIVE = ("L", "B") if sys.byteorder == "little" else ("B", "L")
OTHER_BYTE = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA", "CMYK")
    for order, other in (("B", "L"), ("L", "B"), ("N", NATIVE[1]))
}
WHITE_IS_ZERO = 0  # value of the tag of a TIFF that says what its numbers mean
PHOTOMETRIC = 262
WHITE = 65535


def deep_values(image: Image.Image) -> np.ndarray | None:
    """Load the file; the stored values, (h, w) or (h, w, 3), if it has more than 8 bits a channel, else None."""
    raw = _raw_mode(image)
    if raw in OTHER_BYTE:
        return _deep_colours(image, raw)
    if raw == "LA;16B":
        return _deep_grey_with_alpha(image)
    if image.format == "PPM" and image.mode == "RGB" and _greatest(image) > 255:
        return _deep_ppm(image)
    image.load()  # the whole file: `verify` accepts a truncated JPEG
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        values = np.asarray(image).astype(np.uint16)
        tags = getattr(image, "tag_v2", {})
        return WHITE - values if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO else values  # as Pillow does with 8 bits
    if image.mode not in WIDE:
        return None
    values = np.asarray(image)
    return values.view(np.uint32) if raw == "I;32N" else values  # of unsigned ones, which Pillow reads as signed


def _deep_colours(image: Image.Image, raw: str) -> np.ndarray:
    """16-bit colours, uint16 (h, w, 3): Pillow keeps the upper byte, or, in the other byte order, the lower one."""
    with _opened_again(image) as lower:
        for place, tile in enumerate(lower.tile):
            args: Any = tile.args
            args = OTHER_BYTE[raw] if isinstance(args, str) else (OTHER_BYTE[raw], *args[1:])
            lower.tile[place] = tile._replace(args=args)
        bytes_ = [np.asarray(one).astype(np.uint16) for one in (image, lower)]
    values = bytes_[0] * 256 + bytes_[1]
    if image.mode != "CMYK":
        return values[..., :3]
    colours, black = WHITE - values[..., :3].astype(np.uint32), WHITE - values[..., 3:].astype(np.uint32)
    return ((colours * black + WHITE // 2) // WHITE).astype(np.uint16)


def _deep_grey_with_alpha(image: Image.Image) -> np.ndarray:
    """16-bit grey, uint16 (h, w), of a PNG with alpha: its bytes are read as if they were channels."""
    with _opened_again(image) as whole:
        whole._mode = "RGBA"
        whole.tile = [tile._replace(args="RGBA") for tile in whole.tile]
        upper, lower = (np.asarray(whole)[..., byte].astype(np.uint16) for byte in (0, 1))
    return upper * 256 + lower


def _deep_ppm(image: Image.Image) -> np.ndarray:
    """16-bit colours, uint16 (h, w, 3), of a PPM: its numbers are read as a PGM of three times the width."""
    width, height = image.size
    with _opened_again(image) as wide:
        wide._mode, wide._size = "I", (3 * width, height)
        wide.tile = [tile._replace(extents=(0, 0, 3 * width, height)) for tile in wide.tile]
        return np.asarray(wide).reshape(height, width, 3).astype(np.uint16)


@contextmanager
def _opened_again(image: Image.Image) -> Iterator[Any]:
    """The file of an image, which is loaded, once more and not loaded yet."""
    file: Any = image.fp  # type: ignore[attr-defined]
    image.load()
    file.seek(0)
    with Image.open(file, formats=(str(image.format),)) as again:
        yield again


def _greatest(image: Image.Image) -> int:
    """The value that is white in a PPM, as its header says."""
    args = next((tile.args for tile in getattr(image, "tile", [])), ())
    return args[-1] if isinstance(args, tuple) and isinstance(args[-1], int) else 0


def _raw_mode(image: Image.Image) -> str:
    """How the file stores a pixel, as Pillow's decoders name it; blank if they do not say."""
    args = next((tile.args for tile in getattr(image, "tile", [])), "")
    first = args if isinstance(args, str) else next(iter(args or ()), "")
    return first if isinstance(first, str) else ""
