"""Resume an interrupted arm: finished folds are stored until the arm's output is complete.

Every stored fold carries a fingerprint of all that its result depends on, and is reused only while that is unchanged.
On a CPU the output then equals that of an uninterrupted run to the bit. Nothing is stored within a fold: an interrupted
fold restarts from its first epoch.
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
class StoredFold:
    """One fold of an arm, and where its result is stored once it is finished."""

    spec: FoldSpec
    files: KeptFoldPaths
    fingerprint: str

    @property
    def finished(self) -> bool:
        """Whether the result of exactly this spec is stored, complete and undamaged."""
        try:
            check_sealed(self.files.folder)
        except InputError:
            return False
        return bool(read_json(self.files.fingerprint) == self.fingerprint)

    def store(self, result: FoldResult) -> None:
        """Write the fold's result as one sealed folder, or nothing."""
        with replacing_folder(self.files.folder) as folder:
            written = KeptFoldPaths(folder)
            save_model(result.model, written.model)
            write_parquet(written.predictions, result.predictions)
            write_parquet(written.trajectory, result.trajectory)
            write_parquet(written.history, result.history)
            write_json(written.cost, result.cost)
            write_json(written.fingerprint, self.fingerprint)


def resume(kept: KeptPaths, specs: list[FoldSpec]) -> list[StoredFold]:
    """The folds of an arm, with reusable ones of an interrupted run; its other folds are deleted.

    One line on standard output lists the folds that are reused and those that are discarded.
    """
    folds = [StoredFold(s, kept.fold(s.fold), key) for s, key in zip(specs, fingerprints(specs), strict=True)]
    found = set(kept.folder.glob("fold*"))
    reused = {fold.files.folder for fold in folds if fold.finished}
    stale = found - reused
    for folder in stale:
        shutil.rmtree(folder)
    notes = [f"{_names(reused)} resumed from an interrupted run"] if reused else []
    if stale:
        notes.append(
            f"{_names(stale)} of an interrupted run discarded (damaged, or other params, inputs, code or machine)"
        )
    if notes:
        print(f"{kept.folder.parent.name}@{kept.folder.name}: {'; '.join(notes)}", flush=True)
    return folds


def fingerprints(specs: list[FoldSpec]) -> list[str]:
    """The sha256 of every fold's spec, of the files that it names, and of the code and machine that train it."""
    digest, context = functools.cache(sha256_file), {"code": _code(), "machine": _machine()}
    return [_sha256_text({"spec": _canonical(spec, digest), **context}) for spec in specs]


def _canonical(value: Any, digest: Callable[[Path], str]) -> Any:
    """A spec as JSON types: dataclasses with their class names, files by name and content."""
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
    """What the bits depend on beside this package's code; not the number of cores, since a training uses one."""
    backend = keras.backend.backend()
    modules = (keras, importlib.import_module(backend), np, sklearn)
    versions = {module.__name__: module.__version__ for module in modules}
    kernels = os.environ.get("TF_ENABLE_ONEDNN_OPTS")
    return {"backend": backend, "device": device_name(), "onednn": kernels, "versions": versions}


def _sha256_text(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _names(folders: set[Path]) -> str:
    """Folds 0 and 1 as `folds 0, 1`."""
    numbers = sorted(int(folder.name.removeprefix("fold")) for folder in folders)
    return f"fold{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
