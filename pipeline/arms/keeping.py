"""Finished folds of an arm, kept until its out is whole, so that an interrupted run goes on where it was.

A fold is kept with a fingerprint of all that its result depends on, and is taken up only where that is still the same:
the out is then, to the bit on a CPU, what an uninterrupted run leaves. Within a fold nothing is kept: the one that was
interrupted is trained again from its first epoch.
"""

import functools
import hashlib
import importlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import sklearn

from pipeline.arms.spec import FoldResult, FoldSpec
from pipeline.networks.device import device_name
from pipeline.networks.saving import save_model
from pipeline.store.errors import InputError
from pipeline.store.files import check_sealed, read_json, replacing_folder, sha256_file, write_json, write_parquet
from pipeline.store.outs import KeptFoldPaths, KeptPaths

PACKAGE = Path(__file__).parents[1]
# the folders and files of the package that training imports from
CODE = ("arms", "networks", "registry/architectures.py", "registry/tuning.py", "store", "training")


@dataclass(frozen=True)
class KeptFold:
    """One fold of an arm, and where it is kept once it is finished."""

    spec: FoldSpec
    files: KeptFoldPaths
    fingerprint: str

    @property
    def finished(self) -> bool:
        """Whether this very fold lies there, whole and undamaged."""
        try:
            check_sealed(self.files.folder)
        except InputError:
            return False
        return bool(read_json(self.files.fingerprint) == self.fingerprint)

    def keep(self, result: FoldResult) -> None:
        """Write a fold's result: whole or not at all."""
        with replacing_folder(self.files.folder) as folder:
            written = KeptFoldPaths(folder)
            save_model(result.model, written.model)
            write_parquet(written.predictions, result.predictions)
            write_parquet(written.trajectory, result.trajectory)
            write_parquet(written.history, result.history)
            write_json(written.cost, result.cost)
            write_json(written.fingerprint, self.fingerprint)


def take_up(kept: KeptPaths, specs: list[FoldSpec]) -> list[KeptFold]:
    """The folds of an arm, some of them finished by an interrupted run; what else it left is removed.

    One line on standard output says what is taken up and what is not.
    """
    marks = fingerprints(specs)
    folds = [KeptFold(spec, kept.fold(spec.fold), mark) for spec, mark in zip(specs, marks, strict=True)]
    left = set(kept.folder.glob("fold*"))
    taken = {fold.files.folder for fold in folds if fold.finished}
    stale = left - taken
    for folder in stale:
        shutil.rmtree(folder)
    said = [f"{_names(taken)} taken up from an interrupted run"] if taken else []
    if stale:
        said.append(
            f"{_names(stale)} of an interrupted run: damaged, or other params, inputs, code or machine; a fresh start"
        )
    if said:
        print(f"{kept.folder.parent.name}@{kept.folder.name}: {'; '.join(said)}", flush=True)
    return folds


def fingerprints(specs: list[FoldSpec]) -> list[str]:
    """Of every fold the sha256 of its spec, of the files that this names, and of the code and machine that train it."""
    digest, around = functools.cache(sha256_file), {"code": _code(), "machine": _machine()}
    return [_sha256_text({"spec": _canonical(spec, digest), **around}) for spec in specs]


def _canonical(value: Any, digest: Callable[[Path], str]) -> Any:
    """A spec as JSON can say it: with the classes of its parts, and files by name and content."""
    if is_dataclass(value):
        named = {field.name: _canonical(getattr(value, field.name), digest) for field in fields(value)}
        return {"class": type(value).__name__, **named}
    if isinstance(value, tuple):
        return [_canonical(part, digest) for part in value]
    if isinstance(value, Path):
        return [value.as_posix(), digest(value) if value.is_file() else None]
    return value


def _code() -> dict[str, str]:
    files = [PACKAGE / part for part in CODE if part.endswith(".py")]
    files += [file for part in CODE for file in (PACKAGE / part).rglob("*.py")]
    return {file.relative_to(PACKAGE).as_posix(): sha256_file(file) for file in files}


def _machine() -> dict[str, Any]:
    """What bits depend on beside the code of this package: a sum over more cores is another one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    backend = keras.backend.backend()
    modules = (keras, importlib.import_module(backend), np, sklearn)
    versions = {module.__name__: module.__version__ for module in modules}
    return {"backend": backend, "device": device_name(), "cores": cores, "versions": versions}


def _sha256_text(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _names(folders: set[Path]) -> str:
    """Folds 0 and 1 as `folds 0, 1`."""
    numbers = sorted(int(folder.name.removeprefix("fold")) for folder in folders)
    return f"fold{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
