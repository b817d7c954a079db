"""The images that a source is pretrained on, and the part of them that is held out for validation."""

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit

from pipeline.config.schema import Pretrained
from pipeline.datasets.advice import FRACTIONS, first_passing, nearest_first
from pipeline.datasets.grouping import assign_folds
from pipeline.datasets.selection import select
from pipeline.store.errors import InputError
from pipeline.store.seeds import seed_for
from pipeline.store.words import listed


def learnable(manifest: pd.DataFrame, entry: Pretrained, fraction: float | None, seed: int) -> pd.DataFrame:
    """The table of images to pretrain on: row, image_id, unit, phash, role, and label (str) where the method uses one.

    Labels are permuted over the images if `permute_labels` is set.

    Args:
        fraction: of the images, whole units of them, for validation; None: a method that trains on everything.

    Raises:
        InputError: nothing is selected, or no validation part can be cut.
    """
    what = f"the images that '{entry.pretrain}' learns from"
    table = select(manifest, entry.where, entry.pool, what).reset_index(drop=True)
    examples = table[["row", "image_id", "unit", "phash"]].assign(role="train")
    if entry.label is not None:
        labels = table[entry.label].to_numpy().astype(object)
        if entry.permute_labels:
            labels = np.random.default_rng(seed_for(seed, "permute")).permutation(labels)
        examples["label"] = labels
    if fraction is not None:
        classes = examples["label"].to_numpy() if entry.label is not None else None
        examples.loc[held_out(classes, examples["unit"].to_numpy(), fraction, seed), "role"] = "validation"
    return examples


def held_out(labels: np.ndarray | None, unit: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Positions of the validation part: about `fraction` of the images, whole units of them, every class among them.

    Raises:
        InputError: a class or the units are too few; with the `run.validation_fraction` that would do.
    """
    try:
        return _held_out(labels, unit, fraction, seed)
    except InputError as error:
        other = first_passing(nearest_first(FRACTIONS, fraction), lambda value: _held_out(labels, unit, value, seed))
        remedy = f"Set `run.validation_fraction: {other:g}`, or widen `where`" if other else "Widen `where`"
        raise InputError(f"{error} {remedy}, or add images of this class from other groups.") from None


def _held_out(labels: np.ndarray | None, unit: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    try:
        if labels is None:
            splitter = GroupShuffleSplit(1, test_size=fraction, random_state=seed)
            return np.asarray(next(splitter.split(unit, groups=unit))[1])
        parts = assign_folds(labels, unit, max(2, round(1 / fraction)), seed)
    except (InputError, ValueError) as error:
        raise InputError(
            f"No validation part of {fraction:g} can be cut from the images to pretrain on: {error}"
        ) from None
    for name, part in (("train", parts > 0), ("validation", parts == 0)):
        absent = sorted(set(labels) - set(labels[part]))
        if absent:
            where = f"Pretraining has no image of class {listed(absent)} in its {name} part"
            raise InputError(f"{where}: the class is in too few groups.")
    return np.flatnonzero(parts == 0)
