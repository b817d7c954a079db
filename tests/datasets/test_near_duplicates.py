"""Near-duplicates as users have them: copies of pictures, and pictures that only look alike."""

import io
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from PIL import Image, ImageOps

from pipeline.config.schema import Dataset
from pipeline.datasets.images import Decoded, decode
from pipeline.datasets.manifest import _confirmed, near_duplicates, promising

DISTANCE = Dataset(reader="folder", raw="raw", labels=["label"]).near_duplicate_distance


def pictures(count: int, seed: int = 0, height: int = 120, width: int = 150) -> list[Image.Image]:
    """Colour images with the spectrum of photographs."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    frequency[0, 0] = 1
    made = []
    for _ in range(count):
        layers = np.fft.ifft2(np.fft.fft2(rng.normal(size=(3, height, width))) / frequency**1.2).real
        layers = 0.3 * layers + layers.mean(0)
        pixels = 125 + 45 * (layers - layers.mean()) / layers.std()
        made.append(Image.fromarray(np.moveaxis(pixels, 0, -1).clip(0, 255).astype(np.uint8)))
    return made


def decoded(images: Iterable[Image.Image], **options: object) -> list[Decoded]:
    stored = []
    for image in images:
        buffer = io.BytesIO()
        image.save(buffer, **{"format": "PNG", **options})
        stored.append(decode(buffer.getvalue(), 32, 10**6, 8))
    return stored


def clusters(found: list[Decoded], distance: int | None = DISTANCE) -> np.ndarray:
    return near_duplicates(
        [one.phash for one in found],
        np.stack([one.thumbnail for one in found]),
        distance,
        [one.inner_phash for one in found],
        np.stack([one.hues for one in found]),
    )


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop(
        (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
    )


def tinted(image: Image.Image, red: float, blue: float) -> Image.Image:
    """Another white balance."""
    return Image.fromarray((np.asarray(image, float) * [red, 1, blue]).clip(0, 255).astype(np.uint8))


ORIGINALS = pictures(30)
FOUND = decoded(ORIGINALS)
COPIES: dict[str, tuple[Callable[[Image.Image], Image.Image], dict[str, object]]] = {
    "re-encoded": (lambda image: image, {"format": "JPEG", "quality": 60}),
    "half the size": (lambda image: scaled(image, 0.5), {}),
    "larger": (lambda image: scaled(image, 1.7), {}),
    "brighter": (lambda image: image.point(lambda value: min(255, value + 25)), {}),
    "darker": (lambda image: image.point(lambda value: value * 0.75), {}),
    "in grey": (lambda image: image.convert("L"), {}),
    "cropped by 2 % a side": (lambda image: cropped(image, 0.02, 0.02, 0.02, 0.02), {}),
    "cropped by 5 % a side": (lambda image: cropped(image, 0.05, 0.05, 0.05, 0.05), {"format": "JPEG"}),
    "equalised": (ImageOps.equalize, {}),
    "equalised in grey, half the size": (lambda image: scaled(ImageOps.equalize(image.convert("L")), 0.5), {}),
    "in warmer light": (lambda image: tinted(image, 1.15, 0.85), {"format": "JPEG"}),
    "in colder light": (lambda image: tinted(image, 0.8, 1.2), {}),
    "gamma 0.5": (lambda image: image.point(lambda value: round(255 * (value / 255) ** 0.5)), {}),
    "gamma 1.8": (lambda image: image.point(lambda value: round(255 * (value / 255) ** 1.8)), {}),
    "cropped on one side": (lambda image: cropped(image, 0.04, 0, 0, 0.03), {}),
}


@pytest.mark.parametrize("case", COPIES)
def test_copies_are_found_by_default(case: str) -> None:
    change, options = COPIES[case]
    both = FOUND + decoded((change(image) for image in ORIGINALS), **options)
    cluster = clusters(both)
    count = len(ORIGINALS)
    assert (cluster[:count] == np.arange(count)).all()  # no two pictures are merged
    assert np.mean(cluster[:count] == cluster[count:]) >= 0.9


def test_copies_in_place_are_found_at_a_small_distance_too() -> None:
    both = FOUND + decoded(ORIGINALS, format="JPEG", quality=60)
    assert (clusters(both, 4) == np.tile(np.arange(len(ORIGINALS)), 2)).all()


def dots(count: int, noise: float = 0, colours: Iterable[tuple[int, int, int]] | None = None) -> list[Image.Image]:
    """A small bright square anywhere on the same grey, or in the middle in one colour each."""
    rng = np.random.default_rng(1)
    made = []
    for colour in colours or [(90, 90, 90)] * count:
        pixels = np.full((96, 96, 3), 200.0) + rng.normal(0, noise, (96, 96, 1))
        top, left = (40, 40) if colours else rng.integers(4, 80, 2)
        pixels[top : top + 10, left : left + 10] = colour
        made.append(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))
    return made


UNIFORM = {
    "a dot elsewhere": dots(40),
    "a dot elsewhere on noise": dots(40, noise=3),
    # 10 pixels of 9216 at 60 levels from the rest: less texture than FLAT
    "a speck elsewhere": [
        Image.fromarray(np.where(np.arange(9216).reshape(96, 96) // 10 == place, 140, 200).astype(np.uint8))
        for place in range(90, 850, 31)
    ],
    "noise only": [
        Image.fromarray(np.random.default_rng(seed).normal(200, 3, (96, 96)).clip(0, 255).astype(np.uint8))
        for seed in range(40)
    ],
    "one grey each": [Image.new("L", (96, 96), grey) for grey in range(0, 256, 6)],
    "one colour each": [Image.new("RGB", (96, 96), colour) for colour in ((200, 0, 0), (0, 102, 0), (0, 70, 165))],
    "a dot of another colour": dots(3, colours=[(220, 20, 20), (20, 122, 20), (70, 70, 220)]),
}


@pytest.mark.parametrize("case", UNIFORM)
def test_uniform_backgrounds_do_not_collide(case: str) -> None:
    found = decoded(UNIFORM[case])
    assert len({one.content for one in found}) == len(found)
    assert (clusters(found) == np.arange(len(found))).all()


def test_look_alikes_with_a_common_frame_are_not_merged() -> None:
    rng = np.random.default_rng(2)
    frame = np.zeros((96, 96))
    frame[::24], frame[:, ::24] = 60, 60
    images = [Image.fromarray((frame + rng.normal(120, 25, (96, 96))).clip(0, 255).astype(np.uint8)) for _ in range(40)]
    assert (clusters(decoded(images)) == np.arange(40)).all()


@pytest.mark.parametrize("side", [4, 12])
def test_objects_elsewhere_in_one_light_are_not_merged(side: int) -> None:
    """Levelling the greys of all brings out the light that they share."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    images = []
    for place in range(36):
        pixels = 200 - 90 * (x**2 + y**2) + rng.normal(0, 2, (96, 96))
        top, left = 6 + place // 6 * 13, 6 + place % 6 * 13
        pixels[top : top + side, left : left + side] -= 60
        images.append(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))
    assert (clusters(decoded(images)) == np.arange(36)).all()


def test_among_too_many_look_alikes_only_copies_in_place_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.datasets.manifest.MOST_ALIGNED", 3)
    images = [ORIGINALS[0], ORIGINALS[1], scaled(ORIGINALS[0], 0.5), cropped(ORIGINALS[1], 0.05, 0.05, 0.05, 0.05)]
    found = decoded([*images, *[Image.new("L", (96, 96), grey) for grey in (40, 41, 90)]])
    assert clusters(found).tolist() == [0, 1, 0, 3, 4, 4, 6]
    assert clusters(found, 4).tolist() == [0, 1, 0, 3, 4, 4, 6]


@pytest.mark.parametrize("case", UNIFORM)
def test_pairs_without_promise_are_those_that_would_not_be_confirmed(case: str) -> None:
    thumbnails = np.stack(
        [one.thumbnail for one in decoded([*UNIFORM[case], *UNIFORM[case]], format="JPEG", quality=80)]
    )
    hashes = np.zeros(len(thumbnails), np.uint64)
    pairs = np.stack(np.triu_indices(len(thumbnails), 1), 1)
    kept, expected = (
        {tuple(pair) for pair in _confirmed(some, hashes, thumbnails, None, cropped=False).tolist()}
        for some in (promising(thumbnails)(pairs), pairs)
    )
    assert kept == expected != set()


def test_near_duplicates_are_looked_for_by_default() -> None:
    assert DISTANCE is not None
