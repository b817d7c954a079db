"""Leakage check: a source must not be pretrained on images that a target tests."""

import numpy as np
import pandas as pd

from pipeline.datasets.manifest import IN_PLACE, close_pairs
from pipeline.store.errors import InputError


def check_unseen(
    seen: pd.DataFrame, examples: pd.DataFrame, dataset: str, distance: int | None, source: str, target: str
) -> None:
    """Refuse a source that was trained on images of a target, since each of these is tested in some fold.

    Args:
        seen: dataset, image_id, unit, phash of the training images of the source and of its `init` chain.
        examples: image_id, group (the unit), phash of the target.
        dataset: the target's.
        distance: Hamming distance (bits) up to which images are near-duplicates; None: not searched for.
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
        f"{groups.sum()} images. The measured gain would be leakage, not transfer. Give the two different `pools` of "
        "the dataset, or a `where` that separates them."
    )


def _near(mine: pd.Series, theirs: pd.Series, distance: int | None) -> np.ndarray:
    """Mask (n,) of hashes in `mine` that are close to one in `theirs`.

    For images of other datasets only: within a dataset, near-duplicates already share a unit. Without thumbnails that
    confirm them, hashes further apart than IN_PLACE prove nothing.
    """
    result = np.zeros(len(mine), bool)
    if distance is None or theirs.empty:
        return result
    hashes = np.array([int(phash, 16) for phash in [*mine, *theirs]], np.uint64)
    for pairs in close_pairs(hashes, min(distance, IN_PLACE)):
        first, second = pairs.T
        across = (first < len(mine)) != (second < len(mine))
        result[np.minimum(first, second)[across]] = True
    return result
