"""The decoder against reference arrays, and the rows of FAULTS.md about single images."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.datasets.images import Decoded, Quarantine, decode, perceptual_hash, right_extension

RNG = np.random.default_rng(1)
GREY = RNG.integers(0, 256, (24, 32), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (24, 24, 3), dtype=np.uint8)


def stored(image: Image.Image | np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def read(source: Path | bytes, size: int = 24) -> Decoded:
    return decode(source, size, max_pixels=10_000, min_side=8)


def header_only(width: int, height: int) -> bytes:
    """A PNG with a header but without pixels, which a decoder reports as damaged."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def overwritten(data: bytes) -> bytes:
    """A JPEG with an invalid marker in its scan."""
    middle = len(data) * 3 // 4
    return data[:middle] + b"\xff\xc8\x01\x02" + data[middle + 4 :]


DAMAGED = {
    "jpeg cut at 90 %": (cut(stored(np.tile(GREY, (3, 3)), "JPEG"), 0.9), "damaged"),
    "png cut at 50 %": (cut(stored(GREY), 0.5), "damaged"),
    "zero bytes": (b"", "empty"),
    "html as jpg": (b"<!DOCTYPE html><html>404 not found</html>", "not an image"),
    "png with one bit flipped": (flipped(stored(np.tile(GREY, (3, 3)))), "damaged"),
    "stored png with one bit flipped": (flipped(stored(GREY, compress_level=0)), "damaged"),
    "jpeg damaged inside": (overwritten(stored(np.tile(GREY, (3, 3)), "JPEG")), "damaged"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_truncated_zero_byte_html_as_jpg_damaged_inside(case: str, tmp_path: Path) -> None:
    data, reason = DAMAGED[case]
    (tmp_path / "image.jpg").write_bytes(data)
    with pytest.raises(Quarantine, match=reason):
        read(tmp_path / "image.jpg")


@pytest.mark.parametrize("width, height", [(30_000, 30_000), (12_000, 10_000), (101, 100), (1, 5000), (7, 9), (1, 1)])
def test_pixel_bomb_strip_one_by_one(width: int, height: int) -> None:
    with pytest.raises(Quarantine, match=r"max_pixels|min_side|exceeds limit"):
        read(header_only(width, height))


def test_the_size_limits_are_allowed_themselves() -> None:
    assert decode(stored(GREY), 8, max_pixels=24 * 32, min_side=24).pixels.shape == (8, 8, 1)


# ---- conversions: stored image, expected pixels ---------------------------------------------------------------------

SIXTEEN = (np.arange(24 * 24).reshape(24, 24) * 113).astype(np.uint16)
ALPHA = RNG.integers(0, 256, (24, 24), dtype=np.uint8)
SQUARE = np.ascontiguousarray(GREY[:, :24])
ON_BLACK = np.round(COLOUR * (ALPHA[..., None] / 255))
BITS = SQUARE > 127


def palette(transparent: bool) -> bytes:
    image = Image.fromarray((SQUARE % 3).astype(np.uint8), "L")
    image = image.convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    return stored(image, transparency=2) if transparent else stored(image)


PALETTE = np.eye(3)[SQUARE % 3] * 255
CASES = {
    "16-bit png": (stored(SIXTEEN), SIXTEEN / 257),
    "16-bit tiff": (stored(SIXTEEN, "TIFF"), SIXTEEN / 257),
    "16-bit pgm": (stored(SIXTEEN, "PPM"), SIXTEEN / 257),
    "cmyk tiff": (stored(Image.fromarray(COLOUR).convert("CMYK"), "TIFF"), COLOUR),
    "palette": (palette(False), PALETTE),
    "palette with a transparent colour": (palette(True), PALETTE * [1, 1, 0]),
    "rgba": (stored(np.dstack([COLOUR, ALPHA])), ON_BLACK),
    "grey with alpha": (stored(np.dstack([SQUARE, ALPHA])), np.round(SQUARE * (ALPHA / 255))),
    "bilevel": (stored(BITS), BITS * 255),
    "grey stored in colour": (stored(np.dstack([SQUARE] * 3)), SQUARE),
    "rgb": (stored(COLOUR, "BMP"), COLOUR),
}


@pytest.mark.parametrize("case", CASES)
def test_16_bit_cmyk_palette_alpha_bilevel(case: str) -> None:
    data, expected = CASES[case]
    found = read(data).pixels.astype(float)
    expected = expected if expected.ndim == 3 else expected[..., None]
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= (1 if "alpha" in case or case == "rgba" else 0.5)


def test_cmyk_jpeg_is_near_its_colours() -> None:
    image = Image.new("RGB", (24, 24), (200, 30, 90))
    found = read(stored(image.convert("CMYK"), "JPEG", quality=95)).pixels.astype(int)
    assert np.abs(found - [200, 30, 90]).max() <= 6


def test_float_images_have_no_fixed_range() -> None:
    with pytest.raises(Quarantine, match="no fixed range"):
        read(stored(SQUARE.astype(np.float32), "TIFF"))


UPRIGHT = {
    1: GREY,
    2: GREY[:, ::-1],
    3: GREY[::-1, ::-1],
    4: GREY[::-1],
    5: GREY.T,
    6: GREY.T[:, ::-1],
    7: GREY[::-1, ::-1].T,
    8: GREY.T[::-1],
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read(stored(GREY, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {})))
    upright = np.ascontiguousarray(UPRIGHT[orientation])
    assert (found.height, found.width) == upright.shape
    assert found.content == read(stored(upright)).content


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animated_image(kind: str) -> None:
    frames = [Image.fromarray(SQUARE), Image.fromarray(255 - SQUARE)]
    with pytest.raises(Quarantine, match="several frames"):
        read(stored(frames[0], kind, save_all=True, append_images=frames[1:]))


def test_wrong_extension(tmp_path: Path) -> None:
    (tmp_path / "image.jpg").write_bytes(stored(GREY))
    found = read(tmp_path / "image.jpg")
    assert found.content == read(stored(GREY)).content
    assert not right_extension("image.jpg", found.format)
    assert right_extension("IMAGE.PNG", found.format)


def test_unreadable_file_fifo_device_link(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "image.png").write_bytes(stored(GREY))
    (tmp_path / "link.png").symlink_to(tmp_path / "image.png")
    for path in (tmp_path / "fifo", Path("/dev/null"), tmp_path):
        with pytest.raises(Quarantine, match=r"regular file|not a regular|damaged|directory"):
            read(path)
    for path in (tmp_path / "link.png", tmp_path / "absent.png"):
        with pytest.raises(Quarantine, match="cannot be read"):
            read(path)


# ---- facts of the manifest ------------------------------------------------------------------------------------------


def test_brightness_and_contrast_are_those_of_the_pixels() -> None:
    found = read(stored(GREY))
    assert found.brightness == pytest.approx(GREY.mean() / 255)
    assert found.contrast == pytest.approx(GREY.std() / 255)


def cosine_sums(grey: np.ndarray) -> np.ndarray:
    """The DCT-II by its definition."""
    place, frequency = np.arange(32), np.arange(8)
    basis = np.cos(np.pi * np.outer(frequency, 2 * place + 1) / 64)
    return basis @ grey.astype(float) @ basis.T


def test_perceptual_hash_against_the_definition() -> None:
    grey = RNG.integers(0, 256, (32, 32), dtype=np.uint8)
    low = cosine_sums(grey)
    bits = "".join("1" if value > np.median(low) else "0" for value in low.ravel())
    assert perceptual_hash(grey) == f"{int(bits, 2):016x}"


def test_perceptual_hash_against_imagehash() -> None:
    imagehash = pytest.importorskip("imagehash")
    image = Image.fromarray(GREY).resize((100, 80), Image.Resampling.BICUBIC)
    assert read(stored(image)).phash == str(imagehash.phash(image))


def test_resizing_is_antialiased() -> None:
    stripes = np.tile(np.array([[0, 255]], np.uint8), (96, 48))
    assert np.abs(decode(stored(stripes), 32, 10_000, 8).pixels.astype(int) - 127).max() < 45


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.binary(max_size=400), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0"])
)
def test_any_bytes_are_an_image_or_quarantined(data: bytes, magic: bytes) -> None:
    try:
        assert isinstance(read(magic + data), Decoded)
    except Quarantine as reason:
        assert str(reason)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(8, 40),
    st.integers(8, 40),
    st.sampled_from(["PNG", "BMP", "TIFF", "PPM"]),
    st.booleans(),
    st.integers(0, 99),
)
def test_the_content_is_that_of_the_pixels_whatever_the_file(
    w: int, h: int, kind: str, colour: bool, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (h, w, 3) if colour else (h, w), dtype=np.uint8)
    found = read(stored(pixels, kind))
    assert found.content == read(stored(pixels)).content
    assert (found.width, found.height) == (w, h)
