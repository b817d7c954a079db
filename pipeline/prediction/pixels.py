"""Decode new images by the code of `ingest`, with the settings of a target's dataset, a bounded number at a time."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageColor

from pipeline.config.schema import Dataset
from pipeline.datasets.images import Decoded, Quarantine, check_camera, decode, resized
from pipeline.datasets.rendering import Rendering, choose
from pipeline.store.files import read_json, read_npy
from pipeline.store.outs import DatasetPaths

CHUNK_BYTES = 2**28  # of decoded pixels in memory at once
Decoder = Callable[[Path], Decoded]


@dataclass(frozen=True)
class Chunk:
    """Some of the images, in their order.

    Attributes:
        names: (n,), of all. faults: index -> why the image cannot be read.
        index: int (m,), into names, of the readable ones. pixels: their uint8 (m, size, size, 3).
        contents: (m,), sha256 of their pixels at full size, the `image_id` of a manifest. colour, deep: bool (m,),
            whether they have colour, and more than 8 bits.
    """

    names: list[str]
    faults: dict[int, str]
    index: np.ndarray
    pixels: np.ndarray
    contents: list[str]
    colour: np.ndarray
    deep: np.ndarray


def decoder_of(dataset: Dataset, files: DatasetPaths) -> Decoder:
    """The function by which `ingest` decoded the images of a dataset: all that it depends on is read here."""
    side, rendering = read_npy(files.images).shape[1], rendering_of(dataset, read_json(files.card))
    return lambda path: decode(path, side, dataset.max_pixels, dataset.min_side, rendering)


def rendering_of(dataset: Dataset, card: dict[str, Any]) -> Rendering:
    """The rule that the card of a dataset records: by it 16 bits and alpha of new images are read too.

    Where no file of the dataset has them it is that of a dataset of none: the full range of 16 bits, and black.
    """
    rendering = choose([], dataset.background)
    if deep := card.get("more_than_8_bits"):
        rendering = replace(
            rendering, low=deep["black"], high=deep["white"], clipped=deep["clipped"], deep=deep["files"]
        )
    if clear := card.get("transparency"):
        red, green, blue = ImageColor.getrgb(clear["background"])[:3]
        rendering = replace(rendering, background=(red, green, blue), transparent=clear["files"])
    return rendering


def chunks(images: dict[str, Path], decoder: Decoder, size: int, most: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """Decode images in threads (Pillow releases the interpreter lock), as many at a time as `most` bytes hold.

    Args:
        images: name -> file. size: of the target's images, pixels a side; its `split` resized them to it.
    """
    names = list(images)
    step = max(1, most // (3 * size**2))

    def attempt(name: str) -> Decoded | str:
        try:
            check_camera(images[name], name)
            return decoder(images[name])
        except Quarantine as reason:
            return str(reason)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(names), step):
            part = names[start : start + step]
            yield _chunk(part, pool.map(attempt, part), size)


def _chunk(names: list[str], results: Iterator[Decoded | str], size: int) -> Chunk:
    faults: dict[int, str] = {}
    index, contents, colour, deep = list[int](), list[str](), list[bool](), list[bool]()
    pixels = np.empty((len(names), size, size, 3), np.uint8)
    for position, result in enumerate(results):
        if isinstance(result, str):
            faults[position] = result
            continue
        side = result.pixels.shape[0]
        pixels[len(index)] = result.pixels if side == size else resized(result.pixels, size)  # grey: to all channels
        index.append(position)
        contents.append(result.content)
        colour.append(result.pixels.shape[2] == 3)
        deep.append(result.mode[0] in "IF" or result.mode.endswith(";16"))  # as Pillow and `decode` name them
    kinds = (np.array(each, bool) for each in (colour, deep))
    return Chunk(names, faults, np.array(index, int), pixels[: len(index)], contents, *kinds)
