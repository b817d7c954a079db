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
from PIL import Image, ImageChops, ImageOps
from scipy.fft import dctn

from pipeline.datasets.deep import WIDE, deep_values
from pipeline.datasets.rendering import Observed, Rendering, observe_alpha, observe_values
from pipeline.datasets.signatures import HEAD, camera_raw, cause, may_be_camera

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
HUES = 8  # pixels a side of the colours that tell near-duplicates apart
MARGIN = 0.04  # share of each side without which an image is hashed once more, to find its crops
FAINT = 3  # levels of 255: a transparent image that differs by less from its background is not seen


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
        levels: number of different grey levels, 1..256.
        phash: 64 bits as 16 hex digits.
        inner_phash: the same of the image without its margin.
        thumbnail: uint8, (32, 32), grey.
        hues: int16, (8, 8, 2), Cb and Cr of the image; 0 is grey.
    """

    pixels: np.ndarray
    width: int
    height: int
    mode: str
    format: str
    content: str
    brightness: float
    contrast: float
    levels: int
    phash: str
    inner_phash: str
    thumbnail: np.ndarray
    hues: np.ndarray


def decode(
    source: Path | bytes, size: int, max_pixels: int, min_side: int, rendering: Rendering | None = None
) -> Decoded:
    """Decode one image and resize it to a square (aspect ratio not kept), bicubic with antialiasing.

    More than 8 bits are scaled and alpha is composited as `rendering` says; palettes, bilevel, CMYK, YCbCr become 8-bit
    RGB or grey; EXIF orientation is applied. Size limits are checked on the header, before memory is allocated.

    Args:
        source: a regular file (links are not followed), or its bytes.
        size: pixels a side of the result.
        max_pixels: width x height above which an image is refused.
        min_side: pixels of the shorter side below which an image is refused.
        rendering: one for the dataset; None: 16 bits are scaled by their full range, alpha is composited on black.

    Raises:
        Quarantine: the image is damaged, animated, too large, too small or invisible, or 32-bit without a range.
    """
    with _loadable(source, max_pixels, min_side) as image:
        mode, kind, deep = image.mode, str(image.format), deep_values(image)
        upright = ImageOps.exif_transpose(_eight_bit(image, deep, rendering or Rendering()))
        mode = f"{mode};16" if deep is not None and mode in ("RGB", "RGBA", "CMYK") else mode
    return _describe(upright, size, mode, kind)


def observe(source: Path | bytes, max_pixels: int, min_side: int) -> Observed:
    """What the file tells about the dataset's rendering; a plain 8-bit file is not read beyond its header.

    Raises:
        Quarantine: as `decode`.
    """
    with _loadable(source, max_pixels, min_side) as image:
        deep = deep_values(image)
        span = observe_values(deep).span if deep is not None else None
        alpha = image.has_transparency_data and (deep is None or image.mode == "RGBA")
        return Observed(span, observe_alpha(image.convert("RGBA")).lost if alpha else None)


def check_camera(path: Path, name: str) -> None:
    """Refuse raw files of cameras, whose first image is a small preview.

    Args:
        name: tells what the file is. A link has it; what it leads to in DVC's cache has none.

    Raises:
        Quarantine: it is one, or cannot be read.
    """
    if may_be_camera(name):
        with _opened(path) as file:
            if raw := camera_raw(file.read(HEAD), name):
                raise Quarantine(raw)


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
def _loadable(source: Path | bytes, max_pixels: int, min_side: int) -> Iterator[Image.Image]:
    """Open an image whose header is acceptable; whatever goes wrong in the block is a reason."""
    with _opened(source) as file:
        try:
            with Image.open(file, formats=OPENERS) as image:
                _check_header(image, max_pixels, min_side)
                yield image
        except (Quarantine, MemoryError):
            raise
        except Exception as error:  # Pillow's plugins raise exceptions of any kind
            file.seek(0)
            raise Quarantine(_reason(error, file.read(HEAD))) from None


@contextmanager
def _opened(source: Path | bytes) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    try:  # O_NONBLOCK: opening a FIFO would block until it has a writer
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise Quarantine(f"cannot be read: {error.strerror}; give yourself access, or remove it") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise Quarantine("not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        if status.st_size == 0:
            raise Quarantine("the file is empty: copy or download the image again")
        yield file


def _check_header(image: Image.Image, max_pixels: int, min_side: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise Quarantine(f"{width} x {height} pixels, more than max_pixels {max_pixels}")
    if min(width, height) < min_side:
        raise Quarantine(f"{width} x {height} pixels, a side shorter than min_side {min_side}")
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise Quarantine("several frames, an animation or a stack: store one image a file")


def _eight_bit(image: Image.Image, deep: np.ndarray | None, rendering: Rendering) -> Image.Image:
    """Convert a loaded image to "L" or "RGB", keeping the EXIF record."""
    info = image.info
    if deep is not None:
        if image.mode in WIDE and image.format != "PPM" and rendering.low is None:
            raise Quarantine(f"mode {image.mode}: 32-bit integers and floats have no fixed range; store 8 or 16 bits")
        if not np.isfinite(deep).any():
            raise Quarantine("no pixel has a finite value: store the image again")
        alpha = image.getchannel("A") if image.mode == "RGBA" else None
        image = Image.fromarray(rendering.scaled(deep))
        if alpha is not None:
            image.putalpha(alpha)
    if image.has_transparency_data:
        image = _composited(image, rendering.background)
    converted = image.convert("L" if image.mode in ("1", "L") else "RGB")
    converted.info = info
    return converted


def _composited(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    grey = image.mode in ("L", "LA", "La") and len(set(background)) == 1
    layers = image.convert("LA" if grey else "RGBA")
    alpha = layers.getchannel("A")
    opacity = np.asarray(alpha)
    if not opacity.any():
        raise Quarantine("every pixel is transparent, there is nothing to see: draw it again, or remove it")
    colour = layers.convert("L" if grey else "RGB")
    behind = Image.new(colour.mode, colour.size, background[0] if grey else background)
    image = Image.composite(colour, behind, alpha)
    if opacity.min() < 255 and np.asarray(ImageChops.difference(image, behind)).max() < FAINT:
        name = "#{:02x}{:02x}{:02x}".format(*background)
        raise Quarantine(f"cannot be seen before the background {name}: set `background` of the dataset")
    return image


def _describe(image: Image.Image, size: int, mode: str, kind: str) -> Decoded:
    full = np.asarray(image)
    if full.ndim == 3 and (full[..., :1] == full).all():  # grey stored in colour: the same image_id
        image = image.getchannel(0)
        full = np.asarray(image)
    grey = image.convert("L")
    share = np.asarray(grey.histogram()) / (image.width * image.height)
    levels = np.arange(256) / 255
    mean = float(share @ levels)
    thumbnail = _thumbnail(grey, margin=0)
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
        levels=int((share > 0).sum()),
        phash=perceptual_hash(thumbnail),
        inner_phash=perceptual_hash(_thumbnail(grey, MARGIN)),
        thumbnail=thumbnail,
        hues=_hues(image),
    )


def _thumbnail(grey: Image.Image, margin: float) -> np.ndarray:
    width, height = grey.size
    box = (margin * width, margin * height, (1 - margin) * width, (1 - margin) * height)
    return np.asarray(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS, box))


def _hues(image: Image.Image) -> np.ndarray:
    if image.mode == "L":
        return np.zeros((HUES, HUES, 2), np.int16)
    small = image.resize((HUES, HUES), Image.Resampling.BOX).convert("YCbCr")
    return np.asarray(small)[..., 1:].astype(np.int16) - 128


def described(image: np.ndarray) -> Decoded:
    """Describe a stored image, uint8 (s, s, c) of 1 or 3 channels, as `decode` describes a file."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    return _describe(picture, THUMBNAIL, picture.mode, "")


def resized(image: np.ndarray, size: int) -> np.ndarray:
    """Resize an image uint8 (s, s, c) of 1 or 3 channels to (size, size, c): bicubic, smoothed where it shrinks."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC)).reshape(size, size, -1)


def _reason(error: Exception, head: bytes) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return cause(head, ", ".join(FORMATS))
    text = " ".join(str(error).split()) or type(error).__name__
    return f"damaged: {text[:160]}; copy or download the image again"
