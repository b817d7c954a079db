"""ingest: decode every image of a dataset once, list it in a manifest, quarantine the unusable."""

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from pipeline.config.params import Params
from pipeline.config.schema import Dataset
from pipeline.datasets import manifest
from pipeline.datasets.images import (
    HUES,
    THUMBNAIL,
    Decoded,
    Quarantine,
    check_camera,
    decode,
    observe,
    right_extension,
)
from pipeline.datasets.readers.raw import SPLIT, RawDataset, RawImage, check_columns
from pipeline.datasets.readers.read import read_raw
from pipeline.datasets.rendering import Observed, Rendering, choose
from pipeline.store import words
from pipeline.store.errors import InputError, InputFaults
from pipeline.store.files import (
    check_space,
    release,
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
Found = TypeVar("Found")


@dataclass
class Reading:
    """The result of decoding all images, by index into the reader's list.

    Attributes:
        thumbnails: uint8, (images, 32, 32), and
        hues: int16, (images, 8, 8, 2): 1.3 KB an image, the only pixels held in memory.
        inner_phashes: of the decoded images.
    """

    thumbnails: np.ndarray
    hues: np.ndarray
    inner_phashes: dict[int, str] = field(default_factory=dict)
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


def survey(images: list[RawImage], dataset: Dataset) -> Rendering:
    """Look at every file once, to choose one rendering for all; only deep or transparent ones are read in full."""
    seen = read_in_order(images, lambda path: observe(path, dataset.max_pixels, dataset.min_side))
    return choose((one for one in seen if isinstance(one, Observed)), dataset.background)


def decode_all(images: list[RawImage], decoder: Callable[[Path], Decoded], scratch: np.ndarray) -> Reading:
    """Decode every image into its row of `scratch`, uint8 (images, size, size, 3); grey is written to all channels."""
    thumbnails, hues = np.zeros((len(images), THUMBNAIL, THUMBNAIL), np.uint8), (len(images), HUES, HUES, 2)
    reading = Reading(thumbnails, np.zeros(hues, np.int16))
    for index, decoded in progress(enumerate(read_in_order(images, decoder)), len(images), "decode", "images"):
        if isinstance(decoded, Quarantine):
            reading.reasons[index] = str(decoded)
            continue
        scratch[index] = decoded.pixels
        reading.thumbnails[index], reading.hues[index] = decoded.thumbnail, decoded.hues
        reading.inner_phashes[index] = decoded.inner_phash
        facts = {name: getattr(decoded, name) for name in manifest.Facts.__dataclass_fields__}
        reading.facts[index] = manifest.Facts(**facts)
        reading.colour |= decoded.pixels.shape[2] == 3
        reading.wrong_extensions += not right_extension(images[index].name, decoded.format)
        if index % CHUNK == 0:
            release(scratch)
    return reading


def check_count(images: int, raw: str) -> None:
    """Raise InputError for fewer than two images."""
    if images < 2:
        raise InputError(f"{raw} has {images} usable images; at least two of each class are needed. Add images.")


def check_classes(raw: RawDataset, kept: list[int], written: Path) -> None:
    """Check that two images are left, and some of every class: else a target would have fewer classes without a word.

    Args:
        kept: indices into raw.images. written: where the list of those left out will be.

    Raises:
        InputError: with the counts.
    """
    why = f"Why the others cannot be used is in {written}."
    if len(kept) < 2:
        raise InputError(f"{len(kept)} of {len(raw.images)} images can be used; at least two a class are needed. {why}")
    for column in raw.labels:
        counts = Counter(image.labels[column] for image in raw.images)
        left = {raw.images[index].labels[column] for index in kept}
        gone = words.listed(f"{name}: {count}" for name, count in counts.items() if name not in left)
        if gone and column != SPLIT:
            raise InputError(
                f"Column '{column}': no image can be used of {gone}. Repair some of each, or remove the class. {why}"
            )


def clusters(reading: Reading, kept: list[int], distance: int | None) -> np.ndarray:
    """Near-duplicates among the kept images, int (kept,)."""
    phashes = [reading.facts[index].phash for index in kept]
    inner = [reading.inner_phashes[index] for index in kept]
    return manifest.near_duplicates(phashes, reading.thumbnails[kept], distance, inner, reading.hues[kept])


def card(
    raw: RawDataset, dataset: Dataset, reading: Reading, rendering: Rendering, merged: int, written: DatasetPaths
) -> dict[str, object]:
    """The dataset's card: the reader's, with counts and sizes; `sha256` is that of images.npy."""
    shape = np.load(written.images, mmap_mode="r").shape
    return {
        **raw.card,
        **rendering.card(),
        "reader": dataset.reader,
        "listed": len(raw.images),
        "images": shape[0],
        "image_size": shape[1],
        "channels": shape[3],
        "merged_copies": merged,
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
    rendering = survey(images, dataset)
    with tempfile.TemporaryFile(dir=out.parent) as file, replacing_folder(out) as folder:
        written = DatasetPaths(folder)
        scratch = np.memmap(file, np.uint8, "w+", shape=(len(images), size, size, 3))
        limits = (size, dataset.max_pixels, dataset.min_side)
        reading = decode_all(images, lambda path: decode(path, *limits, rendering), scratch)
        merged, contradictory = manifest.duplicates(images, reading.facts)
        left_out = reading.reasons | contradictory
        kept = [index for index in range(len(images)) if index not in left_out and index not in merged]
        listed = manifest.quarantine_table(images, left_out | merged)
        with listed_if_refused(paths.quarantine(name), listed) as path:
            manifest.check_cap(len(images), manifest.quarantine_table(images, left_out), dataset.quarantine_cap, path)
            check_classes(raw, kept, path)
        cluster = clusters(reading, kept, dataset.near_duplicate_distance)
        write_images(written.images, scratch, kept, 3 if reading.colour else 1)
        drawn = seed_for(params.run.seed, "pools", name)
        table = manifest.build(raw, kept, reading.facts, cluster, dataset.pools, drawn, merged)
        write_parquet(written.manifest, table)
        write_csv(written.quarantine, listed)
        write_json(written.card, card(raw, dataset, reading, rendering, len(merged), written))
    copies = f", {len(merged):,} copies merged" if merged else ""
    return f"{len(kept):,} images, {len(left_out):,} quarantined{copies}{beside(raw.card)}"


@contextmanager
def listed_if_refused(path: Path, listed: pd.DataFrame) -> Iterator[Path]:
    """Write the list of images left out to `path` if the block refuses the dataset; remove an older one if not."""
    try:
        yield path
    except InputError:
        write_csv(path, listed)
        raise
    path.unlink(missing_ok=True)


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
        release(images, scratch)
    images.flush()


def read_in_order(images: list[RawImage], reader: Callable[[Path], Found]) -> Iterator[Found | Quarantine]:
    """Read files in threads (Pillow releases the interpreter lock); the results in order, CHUNK ahead at most."""

    def attempt(image: RawImage) -> Found | Quarantine:
        try:
            check_camera(image.path, image.name)
            return reader(image.path)
        except Quarantine as reason:
            return reason

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(images), CHUNK):
            yield from pool.map(attempt, images[start : start + CHUNK])
