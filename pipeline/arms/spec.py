"""The specification and the result of training one fold of an arm."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from pipeline.arms.networks import Network
from pipeline.networks.fused import Kernels
from pipeline.training.fit import Plan


@dataclass(frozen=True)
class Setting:
    """One point of an arm's hyperparameter sweep."""

    learning_rate: float
    l2: float


@dataclass(frozen=True)
class FoldSpec:
    """Everything that one fold of one arm depends on; arrays by path.

    `inputs` is images.npy, cut.npy or pooled.npy, according to `kind`: pixels, activations or features; `places`
    says where activations lie in it. `plan` holds all settings but those of the sweep. `forecast` is a file written
    before training; its hash goes into the cost.
    """

    arm: str
    fold: int
    examples: Path
    kind: str
    inputs: Path
    network: Network
    settings: tuple[Setting, ...]
    plan: Plan
    dropout: float
    augmentation: str
    class_weight: str
    precision: str
    kernels: Kernels
    places: Path | None = None
    live: Path | None = None
    forecast: Path | None = None


@dataclass(frozen=True)
class FoldResult:
    """The result of one fold of one arm.

    `predictions`: one row a test image. `trajectory`: the same rows for every epoch with the best validation loss so
    far, with the epoch and the compute spent; its last epoch is the kept one. `history`: one row an epoch of every
    setting. `cost`: counts, no clock times.
    """

    model: keras.Model
    predictions: pd.DataFrame
    trajectory: pd.DataFrame
    history: pd.DataFrame
    cost: dict[str, Any]


def sweep(learning_rates: list[float], l2: list[float] | None = None) -> tuple[Setting, ...]:
    """Every learning rate with every L2 penalty, in the order of params."""
    return tuple(Setting(rate, penalty) for rate, penalty in itertools.product(learning_rates, l2 or [0.0]))
