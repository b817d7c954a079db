"""Keys of the store: a sha256 of all that a result depends on, its code and machine included."""

import functools
import hashlib
import importlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import sklearn
from pydantic import BaseModel

from pipeline.networks.by_openvino import openvino_version
from pipeline.networks.device import device_name
from pipeline.store.files import read_npy, release, sha256_file
from pipeline.store.roles import role_column
from pipeline.store.wordless import copies_of
from pipeline.training.batches import found_at

AT_ONCE = 1024  # activations read before their memory is given back


def fingerprints(contents: Iterable[Any], code: tuple[str, ...]) -> list[str]:
    """The sha256 of each content together with code and machine.

    Args:
        contents: nested dataclasses, pydantic models, mappings, sequences and plain values. A path stands for the
            content of its file, whatever its name.
        code: files and folders of the package, relative to it, that the result depends on.
    """
    digest, context = functools.cache(sha256_file), {"code": code_of(code), "machine": machine()}
    return [_sha256(json.dumps({"content": _plain(each, digest), **context}, sort_keys=True)) for each in contents]


def examples_of_fold(examples: pd.DataFrame, fold: int) -> str:
    """The sha256 of what a fold of a target depends on: images, labels, weights and roles, not those of other folds."""
    used = examples[["row", "image_id", "label", "weight", role_column(fold)]]
    return _sha256(used.to_csv(index=False, float_format="%.17g", header=False))


def activation_digests(cut: Path) -> list[bytes]:
    """The sha256 of each cached activation, in their order."""
    stored, found = read_npy(cut), list[bytes]()
    for start in range(0, len(stored), AT_ONCE):
        found += [hashlib.sha256(activation).digest() for activation in stored[start : start + AT_ONCE]]
        release(stored)
    return found


def activations_of_fold(digests: list[bytes], places: np.ndarray, examples: pd.DataFrame, fold: int) -> str:
    """The sha256 of the activations that a fold reads, wherever they lie: not of those that other folds read.

    Args:
        digests: of all activations in the cache. places: of each in it, int32 (examples, views).
    """
    role = examples[role_column(fold)].to_numpy()
    train, predicted = (np.flatnonzero(np.isin(role, names)) for names in (["train"], ["validation", "test"]))
    read = [found_at(places, train[:, None], np.arange(places.shape[1])), found_at(places, predicted, 0)]
    return hashlib.sha256(b"".join(digests[place] for part in read for place in part.ravel())).hexdigest()


def code_of(parts: tuple[str, ...]) -> dict[str, str]:
    """The sha256 of every Python file in parts of the package, without its words."""
    return {name: _sha256(text) for name, text in copies_of(parts).items()}


def machine() -> dict[str, Any]:
    """What the bits depend on beside this package's code; not the number of cores, since a training uses one."""
    backend = keras.backend.backend()
    modules = (keras, importlib.import_module(backend), np, sklearn)
    versions = {module.__name__: module.__version__ for module in modules}
    versions |= {"openvino": found} if (found := openvino_version()) else {}  # which computes features then
    kernels = os.environ.get("TF_ENABLE_ONEDNN_OPTS")
    return {"backend": backend, "device": device_name(), "onednn": kernels, "versions": versions}


def _plain(value: Any, digest: Callable[[Path], str]) -> Any:
    """A value as JSON types: dataclasses with their class names, files by their content."""
    if is_dataclass(value):
        named = {field.name: _plain(getattr(value, field.name), digest) for field in fields(value)}
        return {"class": type(value).__name__, **named}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {name: _plain(part, digest) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part, digest) for part in value]
    if isinstance(value, Path):
        return digest(value) if value.is_file() else None
    return value


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
