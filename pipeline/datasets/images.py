"""Decode image files: `decode` is the only place where pixels enter the pipeline."""

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps
from scipy.fft import dctn

# Formats that Pillow decodes without external programs (EPS would run Ghostscript)
FORMATS = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".mpo", ".jpg", ".jpeg"),  # a JPEG followed by a preview or a stereo image; the first frame is used
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "JPEG2000": (".jp2", ".j2k", ".jpx"),
}
OPENERS = tuple(kind for kind in FORMATS if kind != "MPO")  # Pillow opens an MPO as a JPEG
THUMBNAIL = 32  # pixels a side; input of the perceptual hash


class Quarantine(Exception):
    """An image cannot be used; the message is the reason in quarantine.csv."""


@dataclass(frozen=True)
class Decoded:
    """A decoded image.

    Attributes:
        pixels: uint8, (size, size, C): C = 1 for a grey image (also if stored in colour), else 3.
        width, height: pixels, upright (after EXIF orientation), before resizing.
        mode, format: of the file, as Pillow names them ("I;16", "CMYK"; "PNG", "JPEG").
        content: hex sha256 of the upright 8-bit pixels at full size, with their shape.
        brightness, contrast: mean and standard deviation of the grey image, black 0, white 1.
        phash: 64 bits as 16 hex digits.
        thumbnail: uint8, (32, 32), grey.
    """

    pixels: np.ndarray
    width: int
    height: int
    mode: str
    format: str
    content: str
    brightness: float
    contrast: float
    phash: str
    thumbnail: np.ndarray


def decode(source: Path | bytes, size: int, max_pixels: int, min_side: int) -> Decoded:
    """Decode one image and resize it to a square (aspect ratio not kept), bicubic with antialiasing.

    16 bits are scaled by their full range; alpha is composited on black, which hides the colours of transparent pixels;
    palettes, bilevel, CMYK, YCbCr become 8-bit RGB or grey; EXIF orientation is applied. Size limits are checked on the
    header, before memory is allocated.

    Args:
        source: a regular file (links are not followed), or its bytes.
        size: pixels a side of the result.
        max_pixels: width x height above which an image is refused.
        min_side: pixels of the shorter side below which an image is refused.

    Raises:
        Quarantine: the image is damaged, animated, too large or too small, or 32-bit, which has no fixed range.
    """
    with _opened(source) as file:
        try:
            with Image.open(file, formats=OPENERS) as image:
                mode, kind = image.mode, str(image.format)
                _check_header(image, max_pixels, min_side)
                image.load()  # the whole file: `verify` accepts a truncated JPEG
                upright = ImageOps.exif_transpose(_eight_bit(image, kind))
        except (Quarantine, MemoryError):
            raise
        except Exception as error:  # Pillow's plugins raise exceptions of any kind
            raise Quarantine(_reason(error)) from None
    return _describe(upright, size, mode, kind)


def right_extension(name: str, kind: str) -> bool:
    """Whether a file's extension fits its format; mismatches are counted, the content decides."""
    return Path(name).suffix.lower() in FORMATS.get(kind, ())


def perceptual_hash(thumbnail: np.ndarray) -> str:
    """Hash a grey thumbnail (32, 32): signs of the 8 x 8 lowest cosine coefficients about their median, 16 hex digits.

    The DCT hash of Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010), in the variant
    of the Python package ImageHash.
    """
    low = dctn(thumbnail.astype(np.float64), type=2)[:8, :8]
    return np.packbits(low > np.median(low)).tobytes().hex()


@contextmanager
def _opened(source: Path | bytes) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    try:  # O_NONBLOCK: opening a FIFO would block until it has a writer
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise Quarantine(f"cannot be read: {error.strerror}") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise Quarantine("not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        if status.st_size == 0:
            raise Quarantine("the file is empty")
        yield file


def _check_header(image: Image.Image, max_pixels: int, min_side: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise Quarantine(f"{width} x {height} pixels, more than max_pixels {max_pixels}")
    if min(width, height) < min_side:
        raise Quarantine(f"{width} x {height} pixels, a side shorter than min_side {min_side}")
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise Quarantine("several frames: an animation or a stack; store one image a file")


def _eight_bit(image: Image.Image, kind: str) -> Image.Image:
    """Convert to "L" or "RGB", keeping the EXIF record."""
    info = image.info
    if image.mode.startswith("I;16") or (image.mode == "I" and kind == "PPM"):
        # 65535 -> 255 by rounding; Pillow's own conversion clips everything above 255 to white
        image = Image.fromarray(((np.asarray(image, np.uint32) + 128) // 257).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise Quarantine(f"mode {image.mode}: 32-bit integers and floats have no fixed range; store 8 or 16 bits")
    elif image.has_transparency_data:
        image = _on_black(image)
    converted = image.convert("L" if image.mode in ("1", "L") else "RGB")
    converted.info = info
    return converted


def _on_black(image: Image.Image) -> Image.Image:
    grey = image.mode in ("L", "LA", "La")
    layers = image.convert("LA" if grey else "RGBA")
    alpha = layers.getchannel("A")
    colour = layers.convert("L" if grey else "RGB")
    return Image.composite(colour, Image.new(colour.mode, colour.size), alpha)


def _describe(image: Image.Image, size: int, mode: str, kind: str) -> Decoded:
    full = np.asarray(image)
    if full.ndim == 3 and (full[..., :1] == full).all():  # grey stored in colour: the same image_id
        image = image.getchannel(0)
        full = np.asarray(image)
    grey = image.convert("L")
    share = np.asarray(grey.histogram()) / (image.width * image.height)
    levels = np.arange(256) / 255
    mean = float(share @ levels)
    thumbnail = np.asarray(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS))
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))
    return Decoded(
        pixels=pixels.reshape(size, size, -1),
        width=image.width,
        height=image.height,
        mode=mode,
        format=kind,
        content=hashlib.sha256(repr(full.shape).encode() + full.tobytes()).hexdigest(),
        brightness=mean,
        contrast=float(np.sqrt(share @ (levels - mean) ** 2)),
        phash=perceptual_hash(thumbnail),
        thumbnail=thumbnail,
    )


def resized(image: np.ndarray, size: int) -> np.ndarray:
    """Resize an image uint8 (s, s, c) of 1 or 3 channels to (size, size, c): bicubic, smoothed where it shrinks."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC)).reshape(size, size, -1)


def _reason(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return f"not an image, or none of {', '.join(FORMATS)}"
    text = " ".join(str(error).split()) or type(error).__name__
    return f"damaged: {text[:160]}"
