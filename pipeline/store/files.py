"""Read and write files: atomically, the same bytes for the same content, with checksums for whole folders."""

import hashlib
import json
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.store.errors import InputError

SEAL = "sha256.json"
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # first characters that make a spreadsheet evaluate a text (OWASP)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success it is synced and renamed, on failure removed.

    A crash leaves either the old file or the new one, never a partial file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        if error.strerror:  # without it, str(error) would show the name only
            error.filename = error.filename or str(path)  # "no space left" comes without a name
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `path`; on success it is sealed, synced and replaces `path`.

    A crash leaves the old folder, the new one or none, never a partial folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):  # of a killed run; the cell's lock excludes others
        shutil.rmtree(leftover)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    temporary.chmod(0o755)
    try:
        yield temporary
        seal(temporary)
        for file in _files(temporary):
            _sync(file)
        old = path.with_name(f".{path.name}.old.tmp")
        if path.exists():
            path.replace(old)  # removing it in place could leave a partial folder
        temporary.replace(path)
        _sync(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def seal(folder: Path) -> None:
    """Write the sha256 of every file below `folder` into it, for `check_sealed`."""
    write_json(folder / SEAL, {file.relative_to(folder).as_posix(): sha256_file(file) for file in _files(folder)})


def check_sealed(folder: Path) -> Path:
    """Return `folder` if every file in it has the sha256 that its seal records.

    Raises:
        InputError: a file is missing or damaged, or the folder has no seal.
    """
    if not (folder / SEAL).is_file():
        raise InputError(f"{folder} is absent or was never finished. Run `dvc repro` to make it, or `dvc pull`.")
    remedy = f"Delete {folder} and run `dvc repro`: DVC restores it from its cache or makes it anew."
    try:
        sums = read_json(folder / SEAL)
    except ValueError:  # neither UTF-8 nor JSON
        raise InputError(f"{folder / SEAL} is damaged. {remedy}") from None
    for name, expected in sums.items():
        file = folder / name
        received = sha256_file(file) if file.is_file() else "no file"
        if received != expected:
            raise InputError(f"{file} is damaged: sha256 {received[:12]}, expected {expected[:12]}. {remedy}")
    return folder


def sha256_file(path: Path) -> str:
    """The hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write canonical JSON: sorted keys, finite numbers only.

    Raises:
        ValueError: a number is nan or infinite.
    """
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 without translating newlines."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as CSV; floats have nine significant digits, which identify a float32.

    Text that a spreadsheet would evaluate as a formula is prefixed with `'`.
    """
    texts = [name for name in frame.columns if frame[name].dtype.kind == "O"]
    safe = frame.assign(**{name: frame[name].map(_escape_formula) for name in texts})
    with replacing(path) as temporary:
        safe.to_csv(temporary, index=False, float_format="%.9g", lineterminator="\n")


def check_space(folder: Path, needed: int) -> None:
    """Check that a disk has `needed` bytes free.

    Raises:
        InputError: it has fewer.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"{folder} has {free // 10**6:,} MB free, {needed // 10**6:,} MB are needed. Make room, or lower "
            "`image_size` (of the run, the dataset or the target), `tune.unfreeze` or the dataset's `limit`."
        )


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as Parquet."""
    with replacing(path) as temporary:
        frame.to_parquet(temporary, index=False)


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet table."""
    return pd.read_parquet(path)


def write_npy(path: Path, array: np.ndarray) -> None:
    """Write one array as .npy."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def read_npy(path: Path) -> np.ndarray:
    """Memory-map one array, read-only, so that data may be larger than memory."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


def release(*arrays: np.ndarray) -> None:
    """Take what was read of or written to memory-mapped files out of this process's memory; the files keep it.

    Else a pass over an array larger than memory counts as memory of the process until the system needs it.
    """
    for array in arrays:
        mapped = getattr(array, "_mmap", None)  # None: not memory-mapped
        if mapped is not None:
            mapped.madvise(mmap.MADV_DONTNEED)


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and file.name != SEAL)


def _escape_formula(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
