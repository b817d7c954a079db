"""Leakage check on what a source was trained on indeed; the stage `leakage` compares all before anything is trained."""

import pandas as pd

from pipeline.store.errors import InputError


def check_unseen(seen: pd.DataFrame, examples: pd.DataFrame, dataset: str, source: str, target: str) -> None:
    """Refuse a source that was trained on images of a target, since each of these is tested in some fold.

    Args:
        seen: dataset, image_id, unit of the training images of the source and of its `init` chain.
        examples: image_id, group (the unit) of the target.
        dataset: the target's.
        source, target: names, for the message.

    Raises:
        InputError: with the numbers of images and groups.
    """
    images = examples["image_id"].isin(seen["image_id"])
    groups = examples["group"].isin(seen.loc[seen["dataset"] == dataset, "unit"])
    if (images | groups).any():
        raise InputError(
            f"Source '{source}' has seen what target '{target}' tests: {images.sum()} of its {len(examples)} images, "
            f"and {examples['group'][groups].nunique()} of its groups with {groups.sum()} images. The measured gain "
            "would be leakage, not transfer. Give the two different `pools` of the dataset, or a `where` that "
            "separates them."
        )
