"""`python -m pipeline doctor`: what a killed run, a merge or a disk may have left behind, and the remedy of each."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline.store.errors import InputError, ParamsError
from pipeline.store.files import check_sealed
from pipeline.store.paths import Paths
from pipeline.store.progress import progress
from pipeline.store.yaml import read_yaml

CONFLICT = ("<<<<<<< ", "=======", ">>>>>>> ")  # how git marks the two sides of a merge
OUT = {"path", "md5", "size"}  # what dvc.lock says at least of an out


def examine(root: Path = Path()) -> str:
    """Look at what lies in a workspace and change nothing; returns one line where all is in order.

    Raises:
        InputError: with all findings, each on a line that ends with its remedy.
    """
    findings = [finding for check in CHECKS.values() for finding in check(Paths(root))]
    if findings:
        count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
        raise InputError(f"doctor has {count}:\n" + "\n".join(f"  - {finding}" for finding in findings))
    return f"doctor: all is in order ({', '.join(CHECKS)})"


# ---- the checks: each yields its findings ----------------------------------------------------------------------------


def dvc_lock(paths: Paths) -> Iterator[str]:
    """A merge that was not ended, or a file that is not whole."""
    file = paths.dvc_lock
    if not file.exists():  # nothing has run yet
        return
    text = file.read_bytes().decode("utf-8", errors="replace")
    if marked := [number for number, line in enumerate(text.splitlines(), 1) if line.startswith(CONFLICT)]:
        side = "`git checkout --ours dvc.lock` or `--theirs`"
        yield f"{file}:{marked[0]} has conflict markers of a merge. Take one side with {side}; then `dvc repro`."
    elif why := _torn(file, text):
        restore = "`git checkout -- dvc.lock`"
        yield f"{file} is truncated or damaged: {why}. Restore it with {restore}, or delete it; then `dvc repro`."


def locks_of_dvc(paths: Paths) -> Iterator[str]:
    """The locks in .dvc/tmp, and DVC's list there of the processes that read and write."""
    for name in ("lock", "rwlock.lock"):
        lock = paths.dvc_tmp / name
        if _read(lock).endswith(".lock"):  # core.hardlink_lock: the file is the lock, and names no process
            yield f"{lock} is held, or stale if no `dvc` runs (`pgrep -fa dvc`): then delete it with `rm {lock}`."
        elif _is_locked(lock):
            yield _held(lock, _pid(lock))
    yield from _readers_and_writers(paths.dvc_tmp / "rwlock")


def locks_of_cells(paths: Paths) -> Iterator[str]:
    """The pipeline's own locks: the system frees them, so that one that is held has a living holder."""
    for lock in _held_cells(paths):
        pid = _pid(lock)
        yield f"{lock.stem} is being made by process {pid}. Wait for it, or end it with `kill {pid}`."


def stumps(paths: Paths) -> Iterator[str]:
    """Temporary names beside outs; while a cell is being made they may be its own."""
    if any(_held_cells(paths)):
        return
    of_params = f".{paths.params.name}.*.tmp"
    found = [*paths.root.glob(of_params), *(stump for folder in paths.written_to for stump in folder.glob(".*.tmp"))]
    for stump in sorted(found):
        yield f"{stump} was left by a run that was killed. Delete it with `rm -r '{stump}'`."


def seals(paths: Paths) -> Iterator[str]:
    """The sha256 of every file of the outs that are there."""
    for folder in progress(paths.sealed, label="doctor", unit="out"):
        try:
            check_sealed(folder)
        except InputError as error:
            yield str(error)


CHECKS: dict[str, Callable[[Paths], Iterator[str]]] = {
    "dvc.lock": dvc_lock,
    "DVC's locks": locks_of_dvc,
    "cells' locks": locks_of_cells,
    "temporary files": stumps,
    "outs": seals,
}


# ---- what they look at -----------------------------------------------------------------------------------------------


def _torn(file: Path, text: str) -> str:
    """Why a dvc.lock is not one that DVC has written to its end, or ""."""
    try:
        content = read_yaml(file)
    except ParamsError as error:
        return error.faults[0]
    stages = content.get("stages") if isinstance(content, dict) else None
    if not isinstance(stages, dict):
        return "it has no stages"
    for name, stage in stages.items():
        if not isinstance(stage, dict) or not stage.get("cmd") or not _are_whole(stage.get("outs")):
            return f"the entry of {name} is not whole"
    return "" if text.endswith("\n") else "it ends within a line"


def _are_whole(outs: Any) -> bool:
    """Whether there are outs (every stage has some) and each has all of its fields."""
    return isinstance(outs, list) and bool(outs) and all(isinstance(out, dict) and set(out) >= OUT for out in outs)


def _readers_and_writers(file: Path) -> Iterator[str]:
    if not file.exists():
        return
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        entries = [*content.get("write", {}).values()]
        entries += [entry for several in content.get("read", {}).values() for entry in several]
        pids = sorted({entry["pid"] for entry in entries})
    except (ValueError, AttributeError, TypeError, KeyError):
        yield f"{file} is damaged, and DVC stops at it. Delete it with `rm {file}` while no `dvc` runs."
        return
    for pid in pids:
        yield _held(file, pid)


def _held(file: Path, pid: int | None) -> str:
    """The finding on a lock and the process that it names: one that is gone, or one that lives."""
    if pid is not None and not _is_alive(pid):
        return f"{file} is stale: its process {pid} has ended. Delete it with `rm {file}` while no `dvc` runs."
    who = "a process that it does not name" if pid is None else f"process {pid}"
    end = "" if pid is None else f", or end it with `kill {pid}`; if `ps {pid}` shows no run of DVC, `rm {file}`"
    return f"{file} is held by {who}. Wait for it{end}."


def _held_cells(paths: Paths) -> Iterator[Path]:
    for lock in sorted(paths.lock("stage", "cell").parent.glob("*.lock")):
        pid = _pid(lock)
        if pid is not None and _is_alive(pid) and _is_locked(lock):  # last, since to ask is to take it for a moment
            yield lock


def _is_locked(lock: Path) -> bool:
    """Whether a process holds the lock on a file."""
    if not lock.exists():
        return False
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _pid(lock: Path) -> int | None:
    text = _read(lock)
    return int(text) if text.isdecimal() else None


def _read(lock: Path) -> str:
    return lock.read_text(encoding="utf-8", errors="replace").strip() if lock.exists() else ""


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True
