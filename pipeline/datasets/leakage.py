"""Leakage: images that a source learns from and a target tests, within a dataset and across datasets.

A target's images are tested in one fold each, so a source that learnt from any of them measures memory, not transfer.
"""

import unicodedata
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image

from pipeline.config.schema import Dataset
from pipeline.datasets.images import THUMBNAIL
from pipeline.datasets.manifest import close_pairs, same_texture

DISTANCE = 4  # bits between perceptual hashes, also where `near_duplicate_distance` searches for fewer or none
PIXELS, UNIT, GROUP, NEAR = "same pixels", "same group", "same group_kind and group", "near-duplicate"
# found and told, but no reason to refuse
ALIKE, NAMESAKE, OFF = "close hash, other texture", "group of the same name", "near-duplicate inside the dataset"
REFUSED = (PIXELS, UNIT, GROUP, NEAR)
COLUMNS = ["kind", "image", "other"]


@dataclass(frozen=True)
class Images:
    """Images of a dataset that a target tests, or that a source learns from.

    Attributes:
        table: their rows of the manifest: row, image_id, name, phash, group, unit.
        pixels: of all images of the dataset, uint8 (images, s, s, channels).
    """

    dataset: str
    settings: Dataset
    table: pd.DataFrame
    pixels: np.ndarray


def shared(tested: Images, learnt: Images) -> pd.DataFrame:
    """What two selections share, one row a tested image, kind and first other image: kind, image, other (names)."""
    inside = tested.dataset == learnt.dataset
    found = [_equal(PIXELS, tested.table["image_id"], learnt.table["image_id"], tested, learnt)]
    if inside:
        found.append(_equal(UNIT, tested.table["unit"], learnt.table["unit"], tested, learnt))
    elif tested.settings.group and learnt.settings.group:
        kinds = {tested.settings.group_kind, learnt.settings.group_kind}
        kind = GROUP if len(kinds) == 1 and None not in kinds else NAMESAKE
        if kind == GROUP or None in kinds:  # two kinds that differ: names that agree mean nothing
            mine, theirs = tested.table["group"].map(_plain), learnt.table["group"].map(_plain)
            found.append(_equal(kind, mine, theirs, tested, learnt))
    if not inside or tested.settings.near_duplicate_distance is None:  # else near-duplicates share a unit
        found.append(_near(tested, learnt, inside))
    known = set(found[0]["image"])
    return pd.concat([found[0], *(part[~part["image"].isin(known)] for part in found[1:])], ignore_index=True)


def counts(found: pd.DataFrame) -> str:
    """The number of images of each kind, in words; "" for none."""
    tally = found["kind"].value_counts()
    return ", ".join(f"{count} {kind}" for kind, count in tally.items())


def _equal(kind: str, mine: pd.Series, theirs: pd.Series, tested: Images, learnt: Images) -> pd.DataFrame:
    """Tested images whose key is one of the learnt."""
    first = pd.Series(learnt.table["name"].to_numpy(), index=theirs.to_numpy()).groupby(level=0, sort=False).first()
    other = mine.map(first)
    hit = other.notna().to_numpy()
    columns = {"kind": kind, "image": tested.table["name"].to_numpy()[hit], "other": other.to_numpy()[hit]}
    return pd.DataFrame(columns, columns=COLUMNS)


def _near(tested: Images, learnt: Images, inside: bool) -> pd.DataFrame:
    """Tested images with a hash close to that of a learnt one: near-duplicates if their textures agree."""
    distance = max(DISTANCE, *(images.settings.near_duplicate_distance or 0 for images in (tested, learnt)))
    hashes = np.array([int(phash, 16) for phash in [*tested.table["phash"], *learnt.table["phash"]]], np.uint64)
    count, kinds = len(tested.table), dict[int, tuple[str, int]]()
    for pairs in close_pairs(hashes, distance):
        pairs = np.sort(pairs, axis=1)
        pairs = pairs[(pairs[:, 0] < count) & (pairs[:, 1] >= count)] - (0, count)
        if not len(pairs):
            continue
        same = same_texture(_thumbnails(tested, pairs[:, 0]), _thumbnails(learnt, pairs[:, 1]))
        for (mine, other), sure in zip(pairs.tolist(), same.tolist(), strict=True):
            kind = (OFF if inside else NEAR) if sure else ALIKE
            if kind != ALIKE or mine not in kinds:
                kinds[mine] = kind, other
    rows = [
        (kind, tested.table["name"].iloc[mine], learnt.table["name"].iloc[other])
        for mine, (kind, other) in sorted(kinds.items())
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _thumbnails(images: Images, positions: np.ndarray) -> np.ndarray:
    """Grey thumbnails uint8 (n, 32, 32) of images at positions of the table."""
    rows, inverse = np.unique(images.table["row"].to_numpy()[positions], return_inverse=True)
    return np.stack([_thumbnail(images.pixels[row]) for row in rows])[inverse]


def _thumbnail(image: np.ndarray) -> np.ndarray:
    grey = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("L")
    return np.asarray(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS))


def _plain(group: str) -> str:
    return unicodedata.normalize("NFC", group).strip().casefold()
