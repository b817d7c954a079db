"""ingest: decode every image of a dataset once, list it in a manifest, quarantine the unusable."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.params import Params
from pipeline.config.schema import Dataset
from pipeline.datasets import manifest
from pipeline.datasets.images import THUMBNAIL, Decoded, Quarantine, decode, right_extension
from pipeline.datasets.readers.contents import cause_of, head_of
from pipeline.datasets.readers.raw import RawDataset, RawImage, check_columns
from pipeline.datasets.readers.read import read_raw
from pipeline.store.errors import InputError, InputFaults
from pipeline.store.files import (
    check_space,
    replacing_folder,
    sha256_file,
    write_csv,
    write_json,
    write_parquet,
    write_text,
)
from pipeline.store.outs import DatasetPaths
from pipeline.store.paths import Paths
from pipeline.store.progress import progress
from pipeline.store.seeds import seed_for

CHUNK = 64  # images decoded ahead of writing; bounds the memory


@dataclass
class Reading:
    """The result of decoding all images, by index into the reader's list.

    Attributes:
        thumbnails: uint8, (images, 32, 32): 1 KB an image, the only pixels held in memory.
    """

    thumbnails: np.ndarray
    facts: dict[int, manifest.Facts] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    colour: bool = False
    wrong_extensions: int = 0


def sample(images: list[RawImage], limit: int | None, seed: int) -> list[RawImage]:
    """At most `limit` images in their order, chosen by a hash of their names: adding a file changes few choices."""
    if limit is None or len(images) <= limit:
        return images
    ranks = [hashlib.sha256(f"{seed}:{image.name}".encode()).digest() for image in images]
    chosen = sorted(sorted(range(len(images)), key=ranks.__getitem__)[:limit])
    return [images[index] for index in chosen]


def decode_all(images: list[RawImage], decoder: Callable[[Path], Decoded], scratch: np.ndarray) -> Reading:
    """Decode every image into its row of `scratch`, uint8 (images, size, size, 3); grey is written to all channels."""
    reading = Reading(np.zeros((len(images), THUMBNAIL, THUMBNAIL), np.uint8))
    for index, decoded in progress(enumerate(_in_order(images, decoder)), len(images), "decode", "images"):
        if isinstance(decoded, Quarantine):
            reading.reasons[index] = str(decoded)
            continue
        scratch[index] = decoded.pixels
        reading.thumbnails[index] = decoded.thumbnail
        facts = {name: getattr(decoded, name) for name in manifest.Facts.__dataclass_fields__}
        reading.facts[index] = manifest.Facts(**facts)
        reading.colour |= decoded.pixels.shape[2] == 3
        reading.wrong_extensions += not right_extension(images[index].name, decoded.format)
    return reading


def check_count(images: int, raw: str) -> None:
    """Raise InputError for fewer than two images."""
    if images < 2:
        raise InputError(f"{raw} has {images} usable images; at least two of each class are needed. Add images.")


def card(raw: RawDataset, dataset: Dataset, reading: Reading, written: DatasetPaths) -> dict[str, object]:
    """The dataset's card: the reader's, with counts and sizes; `sha256` is that of images.npy."""
    shape = np.load(written.images, mmap_mode="r").shape
    return {
        **raw.card,
        "reader": dataset.reader,
        "listed": len(raw.images),
        "images": shape[0],
        "image_size": shape[1],
        "channels": shape[3],
        "wrong_extensions": reading.wrong_extensions,
        "near_duplicate_distance": dataset.near_duplicate_distance,
        "sha256": sha256_file(written.images),
    }


def run(params: Params, paths: Paths, name: str) -> str:
    """Read and decode the images, write images.npy, the manifest, the quarantine and the card."""
    dataset, out = params.datasets[name], paths.dataset(name).folder
    size = dataset.image_size or params.run.image_size
    check_columns(f"classes of dataset {name}", dataset.classes, dataset.labels)
    raw = read_listed(dataset, paths, name)
    images = sample(raw.images, dataset.limit, seed_for(params.run.seed, "limit", name))
    check_count(len(images), dataset.raw)
    raw = RawDataset(images, raw.labels, raw.weights, raw.card)
    out.parent.mkdir(parents=True, exist_ok=True)
    check_space(out.parent, 2 * 3 * len(images) * size**2)
    with tempfile.TemporaryFile(dir=out.parent) as file, replacing_folder(out) as folder:
        written = DatasetPaths(folder)
        scratch = np.memmap(file, np.uint8, "w+", shape=(len(images), size, size, 3))
        reading = decode_all(images, lambda path: decode(path, size, dataset.max_pixels, dataset.min_side), scratch)
        reasons = reading.reasons | manifest.quarantine_duplicates(images, reading.facts)
        quarantine = manifest.quarantine_table(images, reasons)
        manifest.check_cap(len(images), quarantine, dataset.quarantine_cap)
        kept = [index for index in range(len(images)) if index not in reasons]
        check_count(len(kept), dataset.raw)
        phashes = [reading.facts[index].phash for index in kept]
        cluster = manifest.near_duplicates(phashes, reading.thumbnails[kept], dataset.near_duplicate_distance)
        write_images(written.images, scratch, kept, 3 if reading.colour else 1)
        drawn = seed_for(params.run.seed, "pools", name)
        write_parquet(written.manifest, manifest.build(raw, kept, reading.facts, cluster, dataset.pools, drawn))
        write_csv(written.quarantine, quarantine)
        write_json(written.card, card(raw, dataset, reading, written))
    return f"{len(kept):,} images, {len(reasons):,} quarantined{beside(raw.card)}"


def read_listed(dataset: Dataset, paths: Paths, name: str) -> RawDataset:
    """`read_raw`; of more faults than a message holds, the whole list is written to a file that the message names."""
    try:
        return read_raw(dataset, paths.root)
    except InputFaults as error:
        if len(error.faults) <= InputFaults.SHOWN:
            raise
        listed = paths.data_docs(name) / "faults.txt"
        write_text(listed, "\n".join([*error.faults, ""]))
        raise InputError(f"{error} All of them: {listed}") from None


def beside(card: dict[str, Any]) -> str:
    """How the reader found the images laid out, and what it left out, for the last line of the log."""
    found = [str(card["layout"])] if "layout" in card else []
    left = ", ".join(f"{name} {count:,}" for name, count in card.get("left_out", {}).items())
    return "".join(f"; {text}" for text in (*found, *([f"left out: {left}"] if left else [])))


def write_images(path: Path, scratch: np.ndarray, kept: list[int], channels: int) -> None:
    """Copy the kept rows to a .npy file, uint8 (kept, size, size, channels), a chunk at a time."""
    shape = (len(kept), *scratch.shape[1:3], channels)
    images = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    for start in range(0, len(kept), CHUNK):
        images[start : start + CHUNK] = scratch[kept[start : start + CHUNK], ..., :channels]
    images.flush()


def _in_order(images: list[RawImage], decoder: Callable[[Path], Decoded]) -> Iterator[Decoded | Quarantine]:
    """Decode in threads (Pillow releases the interpreter lock), results in order."""

    def attempt(image: RawImage) -> Decoded | Quarantine:
        cause = cause_of(head_of(image.path), image.path.suffix)
        if cause:
            return Quarantine(f"it is {cause}")
        try:
            return decoder(image.path)
        except Quarantine as reason:
            return reason

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(images), CHUNK):
            yield from pool.map(attempt, images[start : start + CHUNK])
