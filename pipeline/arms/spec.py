"""One training: everything that it depends on, and what it came to."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from pipeline.arms.networks import Network
from pipeline.training.fit import Plan


@dataclass(frozen=True)
class Setting:
    """One point of an arm's sweep."""

    learning_rate: float
    l2: float


@dataclass(frozen=True)
class FoldSpec:
    """Everything that one fold of one arm depends on; arrays by path.

    `inputs` is images.npy, cut.npy or pooled.npy, as `kind` says: pixels, activations or features. `plan` is complete
    but for what the sweep's `settings` say. `forecast`, where there is one, was told before anything is trained: the
    cost says which one it was.
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
    live: Path | None = None
    forecast: Path | None = None


@dataclass(frozen=True)
class FoldResult:
    """What one fold of one arm came to.

    `predictions`: one row a test image. `trajectory`: the same for every epoch that was the best so far on validation,
    with the epoch and what had been spent; the epoch that was kept is the last in it. `history`: one row an epoch of
    every setting. `cost`: counts, no clocks.
    """

    model: keras.Model
    predictions: pd.DataFrame
    trajectory: pd.DataFrame
    history: pd.DataFrame
    cost: dict[str, Any]


def sweep(learning_rates: list[float], l2: list[float] | None = None) -> tuple[Setting, ...]:
    """Every learning rate with every L2 penalty, in the order of params."""
    return tuple(Setting(rate, penalty) for rate, penalty in itertools.product(learning_rates, l2 or [0.0]))
