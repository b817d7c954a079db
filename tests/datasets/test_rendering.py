"""Deep and transparent files: one rule for the dataset, chosen from the dataset."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.images import Quarantine, decode, observe
from pipeline.datasets.rendering import Rendering, choose

RNG = np.random.default_rng(0)
SCENE = RNG.random((48, 48))


def stored(image: Image.Image | np.ndarray, kind: str = "TIFF", **options: object) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def deep_png(pixels: np.ndarray) -> bytes:
    """A PNG of 16 bits a channel, which Pillow cannot write in colour or with alpha."""
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def deep_tiff(pixels: np.ndarray, photometric: int) -> bytes:
    """A TIFF of 16 bits a channel, which Pillow cannot write in colour."""
    height, width, channels = pixels.shape
    data, short, long = pixels.astype("<u2").tobytes(), "H", "I"
    bits = struct.pack("<4H", *[16] * 4)
    tags = [(256, long, width), (257, long, height), (258, short, 16), (259, short, 1), (262, short, photometric)]
    tags += [(273, long, 16), (277, short, channels), (278, long, height), (279, long, len(data))]
    entries = b"".join(
        struct.pack("<HHII", tag, 3, channels, 8)  # at the place of `bits`
        if (tag, channels) == (258, 4)
        else struct.pack(f"<HHI{kind}", tag, {short: 3, long: 4}[kind], 1, value).ljust(12, b"\0")
        for tag, kind, value in tags
    )
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 16 + len(data)) + bits + data + directory


def rendered(files: list[bytes], background: str = "auto") -> tuple[list[np.ndarray], Rendering]:
    rendering = choose((observe(file, 10**6, 8) for file in files), background)
    return [decode(file, 48, 10**6, 8, rendering).pixels for file in files], rendering


DARK, BRIGHT = SCENE * 0.5, SCENE  # the same scene at half the light
PAIRS = {
    "12 bits in 16-bit png": [stored((s * 4095).astype(np.uint16), "PNG") for s in (DARK, BRIGHT)],
    "12 bits in 16-bit tiff": [stored((s * 4095).astype(np.uint16)) for s in (DARK, BRIGHT)],
    "big-endian 16-bit tiff": [
        stored(Image.frombytes("I;16B", (48, 48), (s * 4095).astype(">u2").tobytes())) for s in (DARK, BRIGHT)
    ],
    "16-bit pgm": [stored((s * 999).astype(np.uint16), "PPM") for s in (DARK, BRIGHT)],
    "floats from 0 to 1": [stored(s.astype(np.float32)) for s in (DARK, BRIGHT)],
    "tiny floats": [stored((s * 1e-6).astype(np.float32)) for s in (DARK, BRIGHT)],
    "32-bit integers": [stored((s * 10**6).astype(np.int32)) for s in (DARK, BRIGHT)],
    "12 bits in 16-bit colour png": [
        deep_png(np.stack([s * 4095, s * 2000, s * 100], -1).astype(np.uint16)) for s in (DARK, BRIGHT)
    ],
    "12 bits in 16-bit grey and alpha": [
        deep_png(np.stack([s * 4095, s * 0 + 65535], -1).astype(np.uint16)) for s in (DARK, BRIGHT)
    ],
    "12 bits in 16-bit ppm": [
        b"P6 48 48 65535\n" + np.stack([s * 4095, s * 2000, s * 100], -1).astype(">u2").tobytes()
        for s in (DARK, BRIGHT)
    ],
    "12 bits in 16-bit ppm written as text": [
        b"P3 48 48 65535\n" + b" ".join(b"%d" % value for value in np.repeat((s * 4095).astype(int), 3))
        for s in (DARK, BRIGHT)
    ],
    "12 bits in 16-bit cmyk": [
        deep_tiff(np.stack([s * 0, s * 0, s * 0, 65535 - s * 4095], -1).astype(np.uint16), 5) for s in (DARK, BRIGHT)
    ],
    "12 bits in 16-bit tiff whose zero is white": [
        deep_tiff((65535 - s[..., None] * 4095).astype(np.uint16), 0) for s in (DARK, BRIGHT)
    ],
    "12 bits in 16-bit colour and alpha": [
        deep_png(np.stack([s * 4095, s * 2000, s * 100, s * 0 + 65535], -1).astype(np.uint16)) for s in (DARK, BRIGHT)
    ],
}


@pytest.mark.parametrize("case", PAIRS)
def test_the_range_that_the_dataset_uses_becomes_black_to_white(case: str) -> None:
    (dark, bright), rendering = rendered(PAIRS[case])
    assert len(np.unique(bright[..., 0])) > 200
    assert (bright.min(), bright.max()) == (0, 255)
    assert np.abs(dark[..., 0] - bright[..., 0] / 2).max() <= 1.5  # one rule: half the light stays half the light
    assert rendering.card()["more_than_8_bits"]["files"] == 2


def test_unsigned_32_bit_integers_and_negative_floats() -> None:
    values = (SCENE * 4e9).astype(np.uint32)
    signed = stored(values.view(np.int32))
    file = signed.replace(b"\x53\x01\x03\0\x01\0\0\0\x02\0", b"\x53\x01\x03\0\x01\0\0\0\x01\0")  # SampleFormat
    assert file != signed
    (pixels,), rendering = rendered([file])
    assert rendering.high == values.max()
    assert np.abs(pixels[..., 0] - SCENE * 255).max() < 2
    (pixels,), rendering = rendered([stored((SCENE * 40 - 1000).astype(np.float32))])
    assert rendering.low == pytest.approx(-1000, abs=0.1)
    assert np.abs(pixels[..., 0] - SCENE * 255).max() < 2


def test_a_hot_pixel_does_not_darken_the_dataset() -> None:
    values = (SCENE * 4095).astype(np.uint16)
    hot = values.copy()
    hot[3, 4] = 65535
    (pixels, other), rendering = rendered([stored(hot), stored(values)])
    assert rendering.clipped
    assert 4000 < rendering.high <= 4095
    assert pixels[3, 4] == 255
    assert len(np.unique(other)) > 200


def test_missing_pixels_are_black_and_a_file_of_nothing_else_is_quarantined() -> None:
    values = (SCENE + 1).astype(np.float32)
    values[0, 0], values[0, 1], values[0, 2] = np.nan, -np.inf, np.inf
    (pixels,), rendering = rendered([stored(values)])
    assert pixels[0, :3, 0].tolist() == [0, 0, 255]
    assert 1 <= rendering.low < 1.01
    with pytest.raises(Quarantine, match="finite"):
        decode(stored(values * np.nan), 48, 10**6, 8, rendering)


def test_all_of_16_bits_is_scaled_as_ever() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert (Rendering(0, 65535).scaled(values) == (values.astype(np.uint32) + 128) // 257).all()


def test_a_dataset_of_one_value_is_black() -> None:
    (pixels,), _ = rendered([stored(np.full((48, 48), 700, np.uint16))])
    assert not pixels.any()


def test_plain_files_are_not_touched() -> None:
    grey = (SCENE * 255).astype(np.uint8)
    deep = stored((SCENE * 4095).astype(np.uint16))
    (pixels, _), _ = rendered([stored(grey, "PNG"), deep], "white")
    assert (pixels[..., 0] == grey).all()
    assert choose([observe(stored(grey, "PNG"), 10**6, 8)], "auto").card() == {
        "more_than_8_bits": None,
        "transparency": None,
    }


# ---- transparency ---------------------------------------------------------------------------------------------------


def icon(colour: tuple[int, int, int], seed: int) -> bytes:
    """A random blot of one colour on transparent."""
    pixels = np.zeros((48, 48, 4), np.uint8)
    pixels[..., :3] = colour
    pixels[8:40, 8:40, 3] = np.kron(np.random.default_rng(seed).random((8, 8)) > 0.5, np.ones((4, 4))) * 255
    return stored(Image.fromarray(pixels), "PNG")


BLACK, WHITE, RED, GREY = (0, 0, 0), (255, 255, 255), (220, 0, 0), (128, 128, 128)


@pytest.mark.parametrize("colours", [[BLACK], [WHITE], [BLACK, WHITE], [BLACK, WHITE, RED], [GREY], [RED, GREY, BLACK]])
def test_icons_on_transparent_neither_vanish_nor_collide(colours: list[tuple[int, int, int]]) -> None:
    files = [icon(colour, 10 * index + seed) for index, colour in enumerate(colours) for seed in range(4)]
    pixels, _ = rendered(files)
    assert all(np.ptp(image.astype(int), axis=(0, 1)).max() >= 48 for image in pixels)
    assert len({image.tobytes() for image in pixels}) == len(files)


def test_the_background_is_a_param_and_in_the_card() -> None:
    (pixels,), rendering = rendered([icon(BLACK, 1)], "#ff8000")
    assert pixels[0, 0].tolist() == [255, 128, 0]
    assert rendering.card()["transparency"] == {"files": 1, "background": "#ff8000"}
    assert rendered([icon(BLACK, 1)])[1].card()["transparency"]["background"] == "#ffffff"
    assert rendered([icon(WHITE, 1)])[1].card()["transparency"]["background"] == "#000000"


def test_black_on_transparent_of_16_bits_is_seen() -> None:
    with Image.open(io.BytesIO(icon(BLACK, 1))) as image:
        pixels, rendering = rendered([deep_png(np.asarray(image).astype(np.uint16) * 257)])
    assert rendering.background == (255, 255, 255)
    assert np.ptp(pixels[0].astype(int)) == 255


def test_what_cannot_be_seen_is_quarantined() -> None:
    nothing = stored(Image.new("RGBA", (48, 48), (10, 20, 30, 0)), "PNG")
    with pytest.raises(Quarantine, match="every pixel is transparent"):
        rendered([nothing])
    with pytest.raises(Quarantine, match=r"cannot be seen before the background #000000: set `background`"):
        rendered([icon(BLACK, 1)], "black")


def test_an_opaque_image_with_an_alpha_channel_chooses_no_background() -> None:
    opaque = stored(Image.new("RGBA", (48, 48), (0, 0, 0, 255)), "PNG")
    (pixels,), rendering = rendered([opaque])
    assert rendering.card()["transparency"] is None
    assert not pixels.any()
