"""Leakage: images that a source learns from and a target tests, within a dataset and across datasets.

A target's images are tested in one fold each, so a source that learnt from any of them measures memory, not transfer.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from pipeline.config.schema import Dataset
from pipeline.datasets.hash_search import close_pairs
from pipeline.datasets.images import Decoded, described
from pipeline.datasets.manifest import IN_PLACE, near_duplicates
from pipeline.datasets.readers.raw import sameness

# bits between perceptual hashes: the default of `near_duplicate_distance`, also where params search for fewer or none
DISTANCE = Dataset.model_fields["near_duplicate_distance"].default
CLOSE = IN_PLACE  # bits between hashes that are told where pixels do not confirm them
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

    @cached_property
    def described(self) -> list[Decoded]:
        """The images of the table, as `decode` describes a file; takes a millisecond each."""
        return [described(self.pixels[row]) for row in self.table["row"]]


def shared(tested: Images, learnt: Images) -> pd.DataFrame:
    """What two selections share, one row a tested image, kind and first other image: kind, image, other (names)."""
    inside = tested.dataset == learnt.dataset
    found = [_equal(PIXELS, tested.table["image_id"], learnt.table["image_id"], tested, learnt)]
    if inside:
        found.append(_equal(UNIT, tested.table["unit"], learnt.table["unit"], tested, learnt))
    elif tested.settings.group and learnt.settings.group:
        kinds = {tested.settings.group_kind, learnt.settings.group_kind}
        kind = GROUP if len(kinds) == 1 and None not in kinds else NAMESAKE
        if _column(tested.settings) == _column(learnt.settings):
            kind = UNIT
        if kind != NAMESAKE or None in kinds:  # two kinds that differ: names that agree mean nothing
            mine, theirs = tested.table["group"].map(sameness), learnt.table["group"].map(sameness)
            found.append(_equal(kind, mine, theirs, tested, learnt))
    if not inside or tested.settings.near_duplicate_distance is None:  # else near-duplicates share a unit
        found.append(_near(tested, learnt, inside))
    known = set(found[0]["image"])
    return pd.concat([found[0], *(part[~part["image"].isin(known)] for part in found[1:])], ignore_index=True)


def _column(settings: Dataset) -> tuple[str, str | None, str | None]:
    """Where the groups of a dataset are written; two datasets of one column have groups of one kind."""
    return settings.raw, settings.table, settings.group


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
    """Tested images in a cluster of near-duplicates with a learnt one, and those with a close hash alone."""
    settings = (tested.settings.near_duplicate_distance, learnt.settings.near_duplicate_distance)
    both = [*tested.described, *learnt.described]
    count, phashes = len(tested.table), [*tested.table["phash"], *learnt.table["phash"]]
    cluster = near_duplicates(
        phashes,
        np.stack([image.thumbnail for image in both]),
        max([DISTANCE, *(distance for distance in settings if distance is not None)]),
        [image.inner_phash for image in both],
        np.stack([image.hues for image in both]),
    )
    mine, theirs = pd.Series(cluster[:count]), pd.Series(cluster[count:])
    near = _equal(OFF if inside else NEAR, mine, theirs, tested, learnt)
    hashes = np.array([int(phash, 16) for phash in phashes], np.uint64)
    pairs = np.concatenate([np.empty((0, 2), int), *close_pairs(hashes[:count], hashes[count:], CLOSE)])
    alike = dict(sorted(pairs.tolist(), reverse=True))  # with the first of those that are close
    names = tested.table["name"].to_numpy(), learnt.table["name"].to_numpy()
    rows = [(ALIKE, names[0][mine], names[1][other]) for mine, other in sorted(alike.items())]
    unsure = pd.DataFrame(rows, columns=COLUMNS)
    return pd.concat([near, unsure[~unsure["image"].isin(near["image"])]])
