"""Keep finished folds of an adaptation by all that their result depends on, as arms/keeping.py keeps trainings."""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.adaptation.choice import Chosen
from pipeline.store.files import read_json, read_npy, read_parquet, write_json, write_npy, write_parquet
from pipeline.store.kept import Store
from pipeline.store.outs import KeptAdaptationPaths
from pipeline.training.fingerprint import fingerprints

# parts of the package that an adaptation depends on
CODE = (
    "adaptation",
    "networks",
    "registry/adaptation.py",
    "registry/criteria.py",
    "stages/adapt.py",
    "store",
    "training",
)


def keys(shared: list[Any], folds: list[list[Any]]) -> list[str]:
    """The key of every fold, from what all depend on and from what is its own."""
    return fingerprints([[*shared, *own] for own in folds], CODE)


def keep(store: Store, key: str, result: Chosen) -> None:
    """Write the result of a fold into the store, whole or not at all."""

    def write(folder: Path) -> None:
        files = KeptAdaptationPaths(folder)
        write_parquet(files.candidates, result.candidates)
        write_npy(files.tested, np.stack(result.tested))
        write_json(files.cost, result.cost)

    store.make(key, write)


def read(store: Store, key: str) -> Chosen:
    """Read the result of a fold from the store."""
    files = KeptAdaptationPaths(store.entry(key))
    return Chosen(read_parquet(files.candidates), list(read_npy(files.tested)), read_json(files.cost))
