"""Build the manifest, one row per usable image, and the quarantine list of the others with the reasons."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.datasets.alignment import correlation, crop_correlation, detailed, power, smooth_correlation, texture
from pipeline.datasets.grouping import assign_pools, component_firsts, units
from pipeline.datasets.hash_search import close_pairs
from pipeline.datasets.readers.raw import SHOWN, RawDataset, RawImage
from pipeline.datasets.tones import FLAT, SAME_HUE, hashes_of, levelled, same_hue, toned
from pipeline.store.errors import InputError

# Texture correlation above which two images with close hashes show one scene. Solar cells look alike: in ELPV 613 pairs
# have hashes within 4 bits, 73 of them from files far apart. This check keeps 280 pairs in 128 clusters of at most 11
# images: none from files far apart, and 46 of the 50 pairs that are true duplicates.
SAME_TEXTURE = 0.97
SAME_FAR = 0.985  # the same for hashes further apart than IN_PLACE, which look-alikes also have
SAME_CROP = 0.95  # the same between a picture and its crop, which were sampled on different grids
BETTER = 2  # aligning a true crop explains so many times more of what differed; aligning look-alikes does not
IN_PLACE = 4  # bits: up to this distance, only copies are looked for whose pixels stayed in place
FAINT_TEXTURE = 0.5  # correlation of such faint textures, which rounding and compression blur, above which they agree
NO_TEXTURE = 0.1  # grey levels: with less, a picture is one grey
MOST_ALIGNED = 2_000_000  # pairs, which take an hour
ROUNDING = 0.01  # more than sums in another order differ
PAIRS = 1024  # confirmed at once; bounds the memory
AHEAD = 64 * PAIRS  # of which those that are joined already are left out


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
    levels: int = 256


def duplicates(images: list[RawImage], facts: dict[int, Facts]) -> tuple[dict[int, str], dict[int, str]]:
    """Find exact duplicates, images with the same decoded pixels.

    If their labels agree, the first is kept; if they differ in any column, none is, since the right one is unknown.

    Args:
        images: in the reader's order.
        facts: by index into images.

    Returns:
        index -> reason, of merged copies and of contradictory images.
    """
    same = defaultdict(list)
    for index in sorted(facts):
        same[facts[index].content].append(index)
    merged: dict[int, str] = {}
    contradictory: dict[int, str] = {}
    for indices in same.values():
        first, *others = indices
        if all(images[index].shows == images[first].shows for index in others):
            merged |= dict.fromkeys(others, f"duplicate of {images[first].name}: same pixels, same labels")
        else:
            contradictory |= {index: _conflict(images, index, indices) for index in indices}
    return merged, contradictory


def check_cap(count: int, quarantine: pd.DataFrame, cap: float, written: Path | None = None) -> None:
    """Check that at most the share `cap` of `count` images is quarantined; merged copies do not count.

    Args:
        written: where the whole list will be.

    Raises:
        InputError: more are; lists the first reasons.
    """
    if len(quarantine) <= cap * count:
        return
    shown = quarantine.head(SHOWN)
    first = "; ".join(f"{name}: {reason}" for name, reason in zip(shown["name"], shown["reason"], strict=True))
    enough = math.ceil(len(quarantine) / count * 1000) / 1000
    raise InputError(
        f"{len(quarantine)} of {count} images cannot be used, more than `quarantine_cap` {cap:g} allows. "
        f"First: {first}. Repair or remove them, or raise `quarantine_cap` to {enough:g}."
        + (f" The whole list is {written}." if written else "")
    )


def quarantine_table(images: list[RawImage], reasons: dict[int, str]) -> pd.DataFrame:
    """Quarantined images, columns name and reason, in the reader's order."""
    rows = [(images[index].name, reasons[index]) for index in sorted(reasons)]
    return pd.DataFrame(rows, columns=["name", "reason"], dtype="str")


def build(
    raw: RawDataset,
    kept: list[int],
    facts: dict[int, Facts],
    cluster: np.ndarray,
    pools: dict[str, float],
    seed: int,
    merged: Iterable[int] = (),
) -> pd.DataFrame:
    """Build the manifest.

    Args:
        kept: indices into raw.images, in the order of images.npy.
        merged: indices of copies that are left out. An image that was recorded in two groups joins them.
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
    row_of = {content: row for row, content in enumerate(table["image_id"])}
    of_copies = [(raw.images[index].group, cluster[row_of[facts[index].content]]) for index in merged]
    both = pd.concat([table[["group", "cluster"]], pd.DataFrame(of_copies, columns=["group", "cluster"])])
    unit = units(both["group"], both["cluster"])[: len(table)]
    return table.assign(unit=unit, pool=assign_pools(table[raw.labels], unit, pools, seed))


def near_duplicates(
    phashes: list[str],
    thumbnails: np.ndarray,
    distance: int | None,
    inner_phashes: list[str] | None = None,
    hues: np.ndarray | None = None,
) -> np.ndarray:
    """Cluster near-duplicates by single linkage: close perceptual hashes, confirmed on the thumbnails.

    Up to IN_PLACE bits this finds re-encoded, resized and brightened copies; with more bits also slightly cropped ones:
    an image is then compared with others' inner parts as well, and its thumbnail is aligned with theirs. Contrast,
    gamma and white balance are then taken out of all. Where images look so much alike that there are more than
    MOST_ALIGNED such pairs, hashes tell nothing of crops, and the distance is IN_PLACE.

    Args:
        phashes: 16 hex digits each.
        thumbnails: uint8, (n, 32, 32).
        distance: greatest Hamming distance of hashes, bits; None: every image is its own cluster.
        inner_phashes: of the images without their margins; None: not compared.
        hues: (n, 8, 8, 2), colours; None: all are grey.

    Returns:
        int (n,): the smallest row of each image's cluster.
    """
    count = len(phashes)
    if distance is None:
        return np.arange(count)
    hashes, inner = (np.array([int(one, 16) for one in some], np.uint64) for some in (phashes, inner_phashes or []))
    cropped, promise = distance > IN_PLACE, None
    pairs = _at_most(MOST_ALIGNED, _pairs(hashes, np.append(hashes, inner), distance)) if cropped else None
    if cropped and pairs is None:
        distance, cropped, promise = IN_PLACE, False, promising(thumbnails)
    close = _pairs(hashes, hashes, distance) if pairs is None else pairs

    def confirmed(pairs: np.ndarray) -> np.ndarray:
        pairs = promise(pairs) if promise else pairs
        return _confirmed(pairs, hashes, thumbnails, hues, cropped) if len(pairs) else pairs

    cluster = _joined(close, confirmed, count)
    if not cropped:
        return cluster
    level = levelled(thumbnails)
    of_level = hashes_of(level)
    pairs = _at_most(MOST_ALIGNED, _pairs(of_level, of_level, distance))
    toned_cluster = _joined(pairs or [], toned(thumbnails, level, hues), count)
    every = np.arange(count)
    return component_firsts(np.append(every, every), np.append(cluster, toned_cluster), count, every)


def _pairs(hashes: np.ndarray, others: np.ndarray, distance: int) -> Iterator[np.ndarray]:
    """Pairs of two images that `close_pairs` finds, int (pairs, 2), AHEAD at once; a pair may be repeated.

    Args:
        hashes: (n,). others: (k n,), of the same images again in each n.
    """
    count, waiting = len(hashes), np.empty((0, 2), int)
    for pair in close_pairs(hashes, others, distance):
        twin = pair[:, 1] < count  # the same comparison occurs twice
        pair[:, 1] %= count
        fresh = pair[(pair[:, 0] != pair[:, 1]) & ~(twin & (pair[:, 0] > pair[:, 1]))]
        waiting = np.concatenate([waiting, fresh])
        while len(waiting) > AHEAD:
            yield waiting[:AHEAD]
            waiting = waiting[AHEAD:]
    yield waiting


def promising(thumbnails: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function that leaves out most pairs that `_confirmed` would in place, at a small part of its cost.

    It holds 4 KB an image.
    """
    textures = texture(thumbnails)
    powers, means = power(textures), thumbnails.mean((1, 2), dtype=np.float32)
    unit = textures.reshape(len(textures), -1) / np.maximum(textures[0].size ** 0.5 * powers, 1e-9)[:, None]

    def promise(pairs: np.ndarray) -> np.ndarray:
        first, second = pairs.T
        alike = np.einsum("ij,ij->i", unit[first], unit[second]) > SAME_TEXTURE - ROUNDING
        flat = np.minimum(powers[first], powers[second]) < FLAT + ROUNDING
        alike |= flat & (np.abs(means[first] - means[second]) < FLAT + ROUNDING)
        return pairs[alike]

    return promise


def _at_most(most: int, close: Iterable[np.ndarray]) -> list[np.ndarray] | None:
    """All pairs; None where there are more than so many."""
    found, total = [], 0
    for pairs in close:
        found.append(pairs)
        total += len(pairs)
        if total > most:
            return None
    return found


def _joined(close: Iterable[np.ndarray], confirmed: Callable[[np.ndarray], np.ndarray], count: int) -> np.ndarray:
    """The first row of each row's cluster, int (count,); pairs that others have joined already need no look."""
    cluster = np.arange(count)
    for waiting in close:
        while len(waiting := waiting[cluster[waiting[:, 0]] != cluster[waiting[:, 1]]]):
            found, waiting = confirmed(waiting[:PAIRS]), waiting[PAIRS:]
            if len(found):
                first, second = np.concatenate([np.stack([np.arange(count), cluster], 1), found]).T
                cluster = component_firsts(first, second, count, np.arange(count))
    return cluster


def _confirmed(
    pairs: np.ndarray, hashes: np.ndarray, thumbnails: np.ndarray, hues: np.ndarray | None, cropped: bool
) -> np.ndarray:
    """Keep the pairs whose colours agree and whose textures correlate; with little texture, grey values must be equal.

    Args:
        cropped: whether one picture may be a crop of the other. Those with one small object are compared in place.
    """
    grey = [thumbnails[side].astype(np.float32) for side in pairs.T]
    textures = [texture(one) for one in grey]
    powers = [power(one) for one in textures]
    flat = np.minimum(*powers) < FLAT
    in_place = correlation(*textures)
    near = np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]) <= IN_PLACE
    faint = (in_place >= FAINT_TEXTURE) | (np.maximum(*powers) < NO_TEXTURE)
    equal = np.abs(grey[0] - grey[1]).mean((1, 2)) < FLAT
    same = np.where(flat, equal & faint, in_place >= np.where(near, SAME_TEXTURE, SAME_FAR))
    hue = np.ones(len(pairs), bool)
    if hues is not None:
        hue = same_hue(hues[pairs[:, 0]], hues[pairs[:, 1]], np.where(flat, 0, SAME_HUE))
    if cropped:
        able = detailed(textures[0]) & detailed(textures[1])
        maybe = np.flatnonzero(able & hue & ~same & ~flat)
        pictures = grey[0][maybe], grey[1][maybe]
        aligned, before = crop_correlation(*pictures), smooth_correlation(*pictures)
        same[maybe] = (aligned >= SAME_CROP) & (BETTER * (1 - aligned) <= 1 - before)
    return pairs[same & hue]


def _conflict(images: list[RawImage], index: int, indices: list[int]) -> str:
    mine = images[index].shows
    other = next(images[twin] for twin in indices if images[twin].shows != mine)
    column = next(column for column in mine if mine[column] != other.shows[column])
    return f"same pixels as {other.name}, other {column}: {mine[column]!r} here, {other.labels[column]!r} there"


def _refuse_reserved(asked: list[str], reserved: list[str]) -> None:
    clash = [column for column in asked if column in reserved]
    if clash:
        raise InputError(f"Column '{clash[0]}' has a reserved name ({', '.join(reserved)}). Rename it.")
