"""Stored values of image files with more than 8 bits a channel, which Pillow alone would cut to 8 bits."""

import sys
from typing import Any

import numpy as np
from PIL import Image

WIDE = ("I", "F")  # modes of 32-bit integers and floats, which have no fixed range
# How Pillow's decoders name 16-bit colours, and the name of the same in the other byte order
NATIVE = ("L", "B") if sys.byteorder == "little" else ("B", "L")
OTHER_BYTE = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA")
    for order, other in (("B", "L"), ("L", "B"), ("N", NATIVE[1]))
}


def deep_values(image: Image.Image) -> np.ndarray | None:
    """Load the file; the stored values, (h, w) or (h, w, 3), if it has more than 8 bits a channel, else None."""
    raw = _raw_mode(image)
    if raw in OTHER_BYTE:
        return _deep_colours(image, raw)
    image.load()  # the whole file: `verify` accepts a truncated JPEG
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return np.asarray(image).astype(np.uint16)
    if image.mode not in WIDE:
        return None
    values = np.asarray(image)
    return values.view(np.uint32) if raw == "I;32N" else values  # of unsigned ones, which Pillow reads as signed


def _deep_colours(image: Image.Image, raw: str) -> np.ndarray:
    """16-bit colours, uint16 (h, w, 3): Pillow keeps the upper byte, or, in the other byte order, the lower one."""
    file: Any = image.fp  # type: ignore[attr-defined]
    image.load()
    file.seek(0)
    with Image.open(file, formats=(str(image.format),)) as lower:
        for place, tile in enumerate(lower.tile):
            args: Any = tile.args
            args = OTHER_BYTE[raw] if isinstance(args, str) else (OTHER_BYTE[raw], *args[1:])
            lower.tile[place] = tile._replace(args=args)
        bytes_ = [np.asarray(one)[..., :3].astype(np.uint16) for one in (image, lower)]
    return bytes_[0] * 256 + bytes_[1]


def _raw_mode(image: Image.Image) -> str:
    """How the file stores a pixel, as Pillow's decoders name it; blank if they do not say."""
    args = next((tile.args for tile in getattr(image, "tile", [])), "")
    first = args if isinstance(args, str) else next(iter(args or ()), "")
    return first if isinstance(first, str) else ""
