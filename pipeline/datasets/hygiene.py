"""What a source has learnt from must not come up in a target's test."""

import numpy as np
import pandas as pd

from pipeline.datasets.manifest import close_pairs
from pipeline.store.errors import InputError


def check_unseen(
    seen: pd.DataFrame, examples: pd.DataFrame, dataset: str, distance: int | None, source: str, target: str
) -> None:
    """Refuse a source that has seen images of a target: every one of them is tested in some fold.

    Args:
        seen: dataset, image_id, unit, phash of what the source, or one that it began with, learnt from.
        examples: image_id, group (the unit), phash of the target.
        dataset: the target's.
        distance: bits within which hashes count as near; None: near-duplicates are not looked for.
        source, target: names, for the message.

    Raises:
        InputError: with the numbers of images, near-duplicates and groups.
    """
    images = examples["image_id"].isin(seen["image_id"])
    groups = examples["group"].isin(seen.loc[seen["dataset"] == dataset, "unit"])
    near = _near(examples["phash"], seen.loc[seen["dataset"] != dataset, "phash"], distance) & ~images
    if not (images | groups | near).any():
        return
    raise InputError(
        f"Source '{source}' has seen what target '{target}' tests: {images.sum()} of its {len(examples)} images, "
        f"near-duplicates of {near.sum()} others, and {examples['group'][groups].nunique()} of its groups with "
        f"{groups.sum()} images. A gain measured so would be memory, not transfer. Give the two different pools of the "
        "dataset (`pools`), or a `where` that divides them."
    )


def _near(mine: pd.Series, theirs: pd.Series, distance: int | None) -> np.ndarray:
    """Which of mine (n,) have a hash close to one of theirs.

    Only images of other datasets are compared so: within one, `ingest` has looked closer and joined them to a unit.
    """
    result = np.zeros(len(mine), bool)
    if distance is None or theirs.empty:
        return result
    hashes = np.array([int(phash, 16) for phash in [*mine, *theirs]], np.uint64)
    for pairs in close_pairs(hashes, distance):
        first, second = pairs.T
        across = (first < len(mine)) != (second < len(mine))
        result[np.minimum(first, second)[across]] = True
    return result
