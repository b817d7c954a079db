"""The train, validation and test parts of a fold; all arms of a target share them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.store.errors import InputError
from pipeline.store.files import read_json, sha256_file
from pipeline.store.paths import Paths
from pipeline.store.roles import role_column


@dataclass(frozen=True)
class Part:
    """Examples of one role in one fold: positions in examples.parquet, class indices, weights; each (n,)."""

    positions: np.ndarray
    labels: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Fold:
    """Train, validation and test of one fold; disjoint."""

    train: Part
    validation: Part
    test: Part


def images_of(paths: Paths, target: str) -> Path:
    """The path of the images.npy that a target's rows refer to: the dataset's, or the same at the target's own size.

    Raises:
        InputError: the dataset's file is missing, or is not the one that the target was split from.
    """
    resized = paths.target(target).resized
    if resized.is_file():
        return resized
    origin = read_json(paths.target(target).images)
    images = paths.dataset(origin["dataset"]).images
    if not images.is_file() or sha256_file(images) != origin["sha256"]:
        raise InputError(f"{images} is not the file that target '{target}' was split from. Run `dvc repro`.")
    return images


def class_names(examples: pd.DataFrame) -> list[str]:
    """The classes of a target in the order of the network's outputs."""
    return sorted(examples["label"].unique())


def fold_parts(examples: pd.DataFrame, fold: int, class_weight: str) -> Fold:
    """The parts of one fold, with sample weights.

    Weights of train and validation are the examples' own, times balanced class weights of the training part where
    `class_weight` is "balanced", scaled to mean 1 over the training part. Test weights are the examples' own.
    """
    codes = pd.Categorical(examples["label"], categories=class_names(examples)).codes.astype("int64")
    own = examples["weight"].to_numpy("float64")
    role = examples[role_column(fold)].to_numpy()
    train = role == "train"
    balance = np.ones(codes.max() + 1)
    if class_weight == "balanced":
        balance = 1 / np.bincount(codes[train], own[train], minlength=len(balance))
    fitted = own * balance[codes]
    fitted /= fitted[train].mean()

    def part(name: str, weights: np.ndarray) -> Part:
        positions = np.flatnonzero(role == name)
        return Part(positions, codes[positions], weights[positions])

    return Fold(part("train", fitted), part("validation", fitted), part("test", own))
