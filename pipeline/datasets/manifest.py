"""Build the manifest, one row per usable image, and the quarantine list of the others with the reasons."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
import pandas as pd

from pipeline.datasets.grouping import assign_pools, component_firsts, units
from pipeline.datasets.readers.raw import SHOWN, RawDataset, RawImage
from pipeline.store.errors import InputError

# Texture correlation above which two images with close hashes show one scene. Solar cells look alike: in ELPV 613 pairs
# have hashes within 4 bits, 73 of them from files far apart. This check keeps 280 pairs in 128 clusters of at most 11
# images: none from files far apart, and 46 of the 50 pairs that are true duplicates.
SAME_TEXTURE = 0.97
FLAT = 2.0  # grey levels of 255: with less texture than this, grey values are compared instead


@dataclass(frozen=True)
class Facts:
    """Properties of a decoded image that the manifest lists; see `images.Decoded`."""

    content: str
    width: int
    height: int
    mode: str
    brightness: float
    contrast: float
    phash: str


def quarantine_duplicates(images: list[RawImage], facts: dict[int, Facts]) -> dict[int, str]:
    """Find exact duplicates, images with the same decoded pixels.

    If their labels agree, the first is kept; if they differ in any column, none is, since the right one is unknown.

    Args:
        images: in the reader's order.
        facts: by index into images.

    Returns:
        index -> reason of the quarantine.
    """
    same = defaultdict(list)
    for index in sorted(facts):
        same[facts[index].content].append(index)
    reasons: dict[int, str] = {}
    for indices in same.values():
        first, *others = indices
        if all(images[index].labels == images[first].labels for index in others):
            reasons |= dict.fromkeys(others, f"duplicate of {images[first].name}: same pixels, same labels")
        else:
            reasons |= {index: _conflict(images, index, indices) for index in indices}
    return reasons


def check_cap(count: int, quarantine: pd.DataFrame, cap: float) -> None:
    """Check that at most the share `cap` of `count` images is quarantined.

    Raises:
        InputError: more are; lists the first reasons.
    """
    if len(quarantine) <= cap * count:
        return
    shown = quarantine.head(SHOWN)
    first = "; ".join(f"{name}: {reason}" for name, reason in zip(shown["name"], shown["reason"], strict=True))
    raise InputError(
        f"{len(quarantine)} of {count} images cannot be used, more than `quarantine_cap` {cap:g} allows. "
        f"First: {first}. Repair or remove them, or raise `quarantine_cap`."
    )


def quarantine_table(images: list[RawImage], reasons: dict[int, str]) -> pd.DataFrame:
    """Quarantined images, columns name and reason, in the reader's order."""
    rows = [(images[index].name, reasons[index]) for index in sorted(reasons)]
    return pd.DataFrame(rows, columns=["name", "reason"], dtype="str")


def build(
    raw: RawDataset, kept: list[int], facts: dict[int, Facts], cluster: np.ndarray, pools: dict[str, float], seed: int
) -> pd.DataFrame:
    """Build the manifest.

    Args:
        kept: indices into raw.images, in the order of images.npy.
        cluster: int (len(kept),), from `near_duplicates`.
        pools: shares of the dataset by name, as in params.
        seed: of the assignment to pools.

    Returns:
        row (int64, of images.npy), image_id (sha256 of the decoded pixels), name, width, height, mode, brightness,
        contrast, phash, cluster (int64), label columns (str), weight columns (float64), group, unit (joins groups and
        clusters) and pool (str).
    """
    images = [raw.images[index] for index in kept]
    columns: dict[str, object] = {"row": np.arange(len(kept)), "image_id": [facts[index].content for index in kept]}
    columns["name"] = [image.name for image in images]
    for field in fields(Facts)[1:]:
        columns[field.name] = [getattr(facts[index], field.name) for index in kept]
    columns["cluster"] = cluster.astype(np.int64)
    _refuse_reserved([*raw.labels, *raw.weights], [*columns, "group", "unit", "pool"])
    columns |= {label: [image.labels[label] for image in images] for label in raw.labels}
    columns |= {weight: np.array([image.weights[weight] for image in images], float) for weight in raw.weights}
    table = pd.DataFrame(columns | {"group": [image.group for image in images]})
    unit = units(table["group"], table["cluster"])
    return table.assign(unit=unit, pool=assign_pools(table[raw.labels], unit, pools, seed))


def near_duplicates(phashes: list[str], thumbnails: np.ndarray, distance: int | None) -> np.ndarray:
    """Cluster near-duplicates by single linkage: close perceptual hashes, confirmed on the thumbnails.

    Args:
        phashes: 16 hex digits each.
        thumbnails: uint8, (n, 32, 32).
        distance: greatest Hamming distance of hashes, bits; None: every image is its own cluster.

    Returns:
        int (n,): the smallest row of each image's cluster.
    """
    count = len(phashes)
    if distance is None:
        return np.arange(count)
    hashes = np.array([int(phash, 16) for phash in phashes], np.uint64)
    pairs = [same for pair in close_pairs(hashes, distance) if len(same := _confirmed(pair, thumbnails))]
    first, second = np.concatenate(pairs).T if pairs else np.empty((2, 0), int)
    return component_firsts(first, second, count, np.arange(count))


def close_pairs(hashes: np.ndarray, distance: int) -> Iterator[np.ndarray]:
    """All pairs of 64-bit hashes within a Hamming distance, by exact search; a pair may be repeated.

    Split into distance + 1 bands, two such hashes agree in at least one band (pigeonhole), so only hashes with an equal
    band are compared: about n^2 (distance + 1) / 2^(64 / (distance + 1)) comparisons, 10^7 for 10^5 images.

    Args:
        hashes: uint64 (n,).
        distance: bits, 0..63.

    Yields:
        int (pairs, 2) in pieces of at most n pairs.
    """
    edges = np.linspace(0, 64, distance + 2).astype(int)
    for low, high in pairwise(edges):
        key = (hashes >> np.uint64(low)) & np.uint64(2 ** int(high - low) - 1)
        order = np.argsort(key, kind="stable")
        key, place = key[order], np.arange(len(order))
        for shift in range(1, len(order)):  # compare each with its shift-th successor in the same bucket
            place = place[place + shift < len(order)]
            place = place[key[place] == key[place + shift]]
            if not len(place):
                break
            pair = np.stack([order[place], order[place + shift]], axis=1)
            yield pair[np.bitwise_count(hashes[pair[:, 0]] ^ hashes[pair[:, 1]]) <= distance]


def _confirmed(pairs: np.ndarray, thumbnails: np.ndarray) -> np.ndarray:
    """Keep the pairs whose textures correlate, or, without texture, whose grey values are equal.

    Texture is grey minus row and column means, which removes the frame and busbars that all ELPV images share.
    """
    grey = [thumbnails[side].astype(np.float32) for side in pairs.T]
    texture = [(t - t.mean(1, keepdims=True) - t.mean(2, keepdims=True) + t.mean((1, 2), keepdims=True)) for t in grey]
    power = [np.sqrt((t**2).mean((1, 2))) for t in texture]
    flat = np.minimum(*power) < FLAT
    correlation = (texture[0] * texture[1]).mean((1, 2)) / np.maximum(power[0] * power[1], 1e-9)
    equal = np.abs(grey[0] - grey[1]).mean((1, 2)) < FLAT
    return pairs[np.where(flat, equal, correlation >= SAME_TEXTURE)]


def _conflict(images: list[RawImage], index: int, indices: list[int]) -> str:
    mine = images[index].labels
    other = next(images[twin] for twin in indices if images[twin].labels != mine)
    column = next(column for column in mine if mine[column] != other.labels[column])
    return f"same pixels as {other.name}, other {column}: {mine[column]!r} here, {other.labels[column]!r} there"


def _refuse_reserved(asked: list[str], reserved: list[str]) -> None:
    clash = [column for column in asked if column in reserved]
    if clash:
        raise InputError(f"Column '{clash[0]}' has a reserved name ({', '.join(reserved)}). Rename it.")
