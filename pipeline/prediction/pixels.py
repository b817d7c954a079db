"""Decode new images by the code of `ingest`, with the settings of a target's dataset, a bounded number at a time."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config.schema import Dataset
from pipeline.datasets.images import Decoded, Quarantine, decode, resized
from pipeline.store.files import read_npy
from pipeline.store.outs import DatasetPaths

CHUNK_BYTES = 2**28  # of decoded pixels in memory at once
Decoder = Callable[[Path], Decoded]


@dataclass(frozen=True)
class Chunk:
    """Some of the images, in their order.

    Attributes:
        names: (n,), of all. faults: index -> why the image cannot be read.
        index: int (m,), into names, of the readable ones. pixels: their uint8 (m, size, size, 3).
        contents: (m,), sha256 of their pixels at full size, the `image_id` of a manifest. colour: bool (m,).
    """

    names: list[str]
    faults: dict[int, str]
    index: np.ndarray
    pixels: np.ndarray
    contents: list[str]
    colour: np.ndarray


def decoder_of(dataset: Dataset, files: DatasetPaths) -> Decoder:
    """The function by which `ingest` decoded the images of a dataset: all that it depends on is read here."""
    side = read_npy(files.images).shape[1]
    return lambda path: decode(path, side, dataset.max_pixels, dataset.min_side)


def chunks(images: dict[str, Path], decoder: Decoder, size: int, most: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """Decode images in threads (Pillow releases the interpreter lock), as many at a time as `most` bytes hold.

    Args:
        images: name -> file. size: of the target's images, pixels a side; its `split` resized them to it.
    """
    names = list(images)
    step = max(1, most // (3 * size**2))

    def attempt(name: str) -> Decoded | str:
        try:
            return decoder(images[name])
        except Quarantine as reason:
            return str(reason)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(names), step):
            part = names[start : start + step]
            yield _chunk(part, pool.map(attempt, part), size)


def _chunk(names: list[str], results: Iterator[Decoded | str], size: int) -> Chunk:
    faults: dict[int, str] = {}
    index, contents, colour = list[int](), list[str](), list[bool]()
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
    return Chunk(names, faults, np.array(index, int), pixels[: len(index)], contents, np.array(colour, bool))
