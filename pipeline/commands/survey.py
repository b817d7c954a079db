"""What `init` finds in a user's images: classes, sizes, colour, unusable files, copies, groups."""

import textwrap
import time
from collections import Counter
from dataclasses import dataclass
from statistics import median

import numpy as np
import pandas as pd

from pipeline.config.schema import Dataset
from pipeline.datasets.grouping import assign_pools, units
from pipeline.datasets.images import THUMBNAIL, Decoded, Quarantine, decode
from pipeline.datasets.manifest import near_duplicates
from pipeline.datasets.readers.raw import RawDataset, RawImage
from pipeline.datasets.rendering import Rendering
from pipeline.stages import ingest
from pipeline.store.errors import InputError
from pipeline.store.progress import progress

LIMIT = 3000  # images that are decoded
MOST_UNUSABLE = 0.2  # share of the files above which the folder is probably not what was meant
SEED = 7  # of the sample


@dataclass(frozen=True)
class Survey:
    """A dataset as its reader lists it, with what a sample of its files holds.

    Attributes:
        raw: all images.
        label: the label column.
        examined: positions in raw.images of the files that were decoded, ascending.
        decoded: by position, at THUMBNAIL pixels a side; of the usable ones.
        unusable: by position, the reason: files that cannot be decoded, and equal pixels under different labels.
        copies: positions of images with the pixels and the label of an earlier one.
        cluster: int (images,), near-duplicates among the examined ones; every other image alone.
        seconds: to decode one file on this machine, all cores at work.
    """

    raw: RawDataset
    label: str
    examined: list[int]
    decoded: dict[int, Decoded]
    unusable: dict[int, str]
    copies: list[int]
    cluster: np.ndarray
    seconds: float

    @property
    def images(self) -> list[RawImage]:
        return self.raw.images

    @property
    def labels(self) -> np.ndarray:
        """The class of every image, str (images,)."""
        return np.array([image.labels[self.label] for image in self.images], dtype=object)

    @property
    def classes(self) -> dict[str, int]:
        """Class -> images, the largest first."""
        return dict(Counter(self.labels).most_common())

    @property
    def groups(self) -> dict[str, int] | None:
        """Group -> images; None where every image is a group of its own."""
        counts = Counter(image.group for image in self.images)
        return None if len(counts) == len(self.images) else dict(counts.most_common())

    @property
    def sides(self) -> list[int]:
        """The shorter sides of the usable files, pixels, ascending."""
        return sorted(min(found.width, found.height) for found in self.decoded.values())

    @property
    def unusable_share(self) -> float:
        return len(self.unusable) / len(self.examined)

    @property
    def in_clusters(self) -> tuple[int, int]:
        """How many examined images have a near-duplicate, and how many of them one with another label."""
        table = pd.DataFrame({"cluster": self.cluster, "label": self.labels}).iloc[sorted(self.decoded)]
        table = table[table["cluster"].duplicated(keep=False)]
        return len(table), int((table.groupby("cluster")["label"].transform("nunique") > 1).sum())

    @property
    def conflicts(self) -> float:
        """The share of images that has a near-duplicate with another label, as it grows with the number of images."""
        scale = len(self.images) / len(self.examined)
        return min(1.0, self.in_clusters[1] / max(1, len(self.decoded)) * scale)

    def manifest(self, distance: int | None, pools: dict[str, float], seed: int) -> pd.DataFrame:
        """A stand-in for the manifest that `ingest` will write, for trial splits: without the files known as unusable.

        Raises:
            InputError: a pool would lack a class.
        """
        left_out = set(self.unusable) | set(self.copies)
        rows = [position for position in range(len(self.images)) if position not in left_out]
        cluster = self.cluster[rows] if distance is not None else np.array(rows)
        unit = units(pd.Series([self.images[row].group for row in rows]), pd.Series(cluster))
        labels = pd.DataFrame({self.label: self.labels[rows]})
        table = labels.assign(row=np.arange(len(rows)), image_id=[str(row) for row in rows], phash="0", cluster=cluster)
        return table.assign(unit=unit, pool=assign_pools(labels, unit, pools, seed))


def survey(raw: RawDataset, dataset: Dataset, limit: int = LIMIT) -> Survey:
    """Decode at most `limit` files, sampled by their names, as `ingest` will, but of any size.

    Raises:
        InputError: there are fewer than two images or classes, or most files are no images.
    """
    images, label = raw.images, dataset.labels[0]
    if len({image.labels[label] for image in images}) < 2:
        received = f"{len(images):,} images of one class" if images else "no image"
        raise InputError(
            f"At least two classes are needed, received {received}. Put one folder per class side by side."
        )
    chosen = {id(image) for image in ingest.sample(images, limit, SEED)}
    examined = [position for position, image in enumerate(images) if id(image) in chosen]
    begun = time.perf_counter()
    chosen_images = [(position, images[position]) for position in examined]
    any_size = dataset.model_copy(update={"min_side": 1})
    rendering = ingest.survey([image for _, image in chosen_images], any_size)
    decoded, unusable = _decoded(chosen_images, any_size, rendering)
    seconds = (time.perf_counter() - begun) / len(examined)
    if len(unusable) > MOST_UNUSABLE * len(examined):
        first = "; ".join(f"{images[position].name}: {reason}" for position, reason in list(unusable.items())[:3])
        raise InputError(
            f"{len(unusable):,} of {len(examined):,} files cannot be used. First: {first}. Move what is no image away, "
            "or give another folder."
        )
    copies = _same_pixels(images, label, decoded, unusable)
    cluster = np.arange(len(images))
    kept = np.array([position for position in decoded if position not in copies], int)
    usable = [decoded[position] for position in kept]
    found = near_duplicates(
        [one.phash for one in usable],
        np.stack([one.thumbnail for one in usable]),
        dataset.near_duplicate_distance,
        [one.inner_phash for one in usable],
        np.stack([one.hues for one in usable]),
    )
    cluster[kept] = kept[found]
    return Survey(raw, label, examined, decoded, unusable, copies, cluster, seconds)


def _decoded(
    images: list[tuple[int, RawImage]], dataset: Dataset, rendering: Rendering
) -> tuple[dict[int, Decoded], dict[int, str]]:
    decoded: dict[int, Decoded] = {}
    unusable: dict[int, str] = {}
    limits = (THUMBNAIL, dataset.max_pixels, dataset.min_side)
    results = ingest.read_in_order([image for _, image in images], lambda path: decode(path, *limits, rendering))
    for (position, _), found in zip(images, progress(results, len(images), "look at", "images"), strict=True):
        if isinstance(found, Quarantine):
            unusable[position] = str(found)
        else:
            decoded[position] = found
    return decoded, unusable


def _same_pixels(
    images: list[RawImage], label: str, decoded: dict[int, Decoded], unusable: dict[int, str]
) -> list[int]:
    """Positions of copies; images with equal pixels and different labels move from `decoded` to `unusable`."""
    same: dict[str, list[int]] = {}
    for position, found in decoded.items():
        same.setdefault(found.content, []).append(position)
    copies = []
    for first, *others in same.values():
        if len({images[position].labels[label] for position in (first, *others)}) == 1:
            copies += others
            continue
        for position in (first, *others):
            unusable[position] = f"same pixels as another image with another {label}"
            del decoded[position]
    return sorted(copies)


# ---- in words --------------------------------------------------------------------------------------------------------

SHOWN = 8  # classes of which the counts are shown
WIDTH, LINE = 17, 110  # characters of the first column, of a line


def describe(found: Survey, hint: str | None) -> str:
    """What was found, one fact a line.

    Args:
        hint: how groups could be given; None where there are some.
    """
    lines = {
        "images": _counts(found),
        "classes": _classes(found),
        "size": _sizes(found),
        "colour": _colour(found),
        "cannot be used": _unusable(found),
        "left out": ", ".join(f"{name} {count:,}" for name, count in found.raw.card.get("left_out", {}).items()),
        "copies": f"{len(found.copies):,} with the same pixels and label: counted once" if found.copies else "",
        "near-duplicates": _near(found),
        "groups": _groups(found, hint),
    }
    indent = " " * (WIDTH + 2)
    return "\n".join(
        textwrap.fill(f"  {name:{WIDTH}}{text}", LINE, subsequent_indent=indent, break_on_hyphens=False)
        for name, text in lines.items()
        if text
    )


def _counts(found: Survey) -> str:
    layout = found.raw.card.get("layout")
    part = f"; {len(found.examined):,} of them were opened" if len(found.examined) < len(found.images) else ""
    return f"{len(found.images):,}{f', {layout}' if layout else ''}{part}"


def _classes(found: Survey) -> str:
    counts = list(found.classes.items())
    smallest, least = counts[-1]
    listed = ", ".join(f"{name} {count:,}" for name, count in counts[:SHOWN])
    more = f" and {len(counts) - SHOWN:,} more; the smallest: {smallest} {least:,}" if len(counts) > SHOWN else ""
    return f"{len(counts):,}: {listed}{more}"


def _sizes(found: Survey) -> str:
    first, last = (f"{one.width} x {one.height}" for one in _smallest_and_largest(found))
    spread = first if first == last else f"{first} to {last}"
    return f"{spread} pixels; half have a shorter side of {median(found.sides):.0f} or more"


def _smallest_and_largest(found: Survey) -> tuple[Decoded, Decoded]:
    ranked = sorted(found.decoded.values(), key=lambda one: (one.width * one.height, one.width))
    return ranked[0], ranked[-1]


def _colour(found: Survey) -> str:
    kinds = Counter("grey" if one.pixels.shape[-1] == 1 else "in colour" for one in found.decoded.values())
    files = Counter(f"{one.format} {one.mode}" for one in found.decoded.values())
    shown = [f"{name} {count:,}" if len(files) > 1 else name for name, count in files.most_common(SHOWN)]
    return f"{', '.join(f'{count:,} {kind}' for kind, count in kinds.most_common())} ({', '.join(shown)})"


def _unusable(found: Survey) -> str:
    if not found.unusable:
        return ""
    first = [f"{found.images[position].name}: {reason}" for position, reason in list(found.unusable.items())[:3]]
    return "; ".join(
        [f"{len(found.unusable):,} of {len(found.examined):,}; a run leaves them out and lists them", *first]
    )


def _near(found: Survey) -> str:
    near, conflicting = found.in_clusters
    if not near:
        return "none found"
    labels = f", {conflicting:,} of them next to another class" if conflicting else ""
    return f"{near:,} of {len(found.decoded):,} images look alike{labels}; those that do stay in one fold"


def _groups(found: Survey, hint: str | None) -> str:
    groups = found.groups
    if groups is None:
        return f"none: every image counts as independent of all others. {hint or ''}".strip()
    largest, count = next(iter(groups.items()))
    return f"{len(groups):,}, of up to {count:,} images ({largest}); a group stays in one fold"
