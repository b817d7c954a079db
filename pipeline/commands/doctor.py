"""`python -m pipeline doctor`: find damage by a merge, a killed run or a disk, each with its remedy."""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from pipeline.store.errors import InputError, ParamsError
from pipeline.store.files import check_sealed
from pipeline.store.paths import Paths
from pipeline.store.progress import progress
from pipeline.store.yaml import read_yaml

CONFLICT = ("<<<<<<< ", "=======", ">>>>>>> ")  # how git marks the two sides of a merge
MERGE = "conflict markers of a merge"
OUT_KEYS = {"path", "md5", "size"}  # the least that dvc.lock has for an output


def examine(root: Path = Path()) -> str:
    """Check a workspace and change nothing; returns one line where all is in order.

    Raises:
        InputError: with all findings, each on a line that ends with its remedy.
    """
    findings = [finding for check in CHECKS.values() for finding in check(Paths(root))]
    if findings:
        raise InputError("\n  - ".join([f"doctor found {len(findings)} to repair:", *findings]))
    return f"doctor: all is in order ({', '.join(CHECKS)})"


def dvc_lock(paths: Paths) -> Iterator[str]:
    """A dvc.lock with conflict markers, truncated or damaged: DVC would rerun what it lacks."""
    file = paths.dvc_lock
    if not file.exists():  # nothing has run yet
        return
    text = file.read_bytes().decode("utf-8", errors="replace")
    if marked := [number for number, line in enumerate(text.splitlines(), 1) if line.startswith(CONFLICT)]:
        side = "`git checkout --ours dvc.lock` or `--theirs`"
        yield f"{file}:{marked[0]} has {MERGE}. Take one side with {side}; then `dvc repro`."
    elif damage := _damage(file, text):
        restore = "`git checkout -- dvc.lock`"
        yield f"{file} is truncated or damaged: {damage}. Restore it with {restore}, or delete it; then `dvc repro`."


def _damage(file: Path, text: str) -> str:
    """Why DVC cannot have written this dvc.lock to its end, or ""."""
    try:
        for name, stage in read_yaml(file)["stages"].items():
            if not (stage["cmd"] and stage["outs"] and all(set(out) >= OUT_KEYS for out in stage["outs"])):
                return f"the entry of {name} is incomplete"
    except ParamsError as error:
        return error.faults[0]
    except (AttributeError, KeyError, TypeError):
        return "an entry is incomplete"
    return "" if text.endswith("\n") else "it ends within a line"


def dvc_rwlock(paths: Paths) -> Iterator[str]:
    """DVC's list of the processes that read and write, where it cannot be parsed."""
    file = paths.dvc_tmp / "rwlock"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        readers = [process for several in content.get("read", {}).values() for process in several]
        for process in (*content.get("write", {}).values(), *readers):
            int(process["pid"])
    except FileNotFoundError:
        return
    except (AttributeError, KeyError, TypeError, ValueError):
        yield f"{file} is damaged, and DVC stops at it. `python -m pipeline repro` deletes it while no `dvc` runs."


def temporary_files(paths: Paths) -> Iterator[str]:
    """Temporary files and folders of killed runs; none while a stage runs, since they may be its own."""
    found = remains(paths)
    if not stages_at_work(paths):
        yield from (f"{path} was left by a run that was killed. Delete it with `rm -r '{path}'`." for path in found)


def remains(paths: Paths) -> list[Path]:
    """What is being written, or was when a process was killed. Ask for `stages_at_work` afterwards."""
    in_root = [(paths.root, f".{file.name}.*.tmp") for file in (paths.params, paths.dvc_lock)]
    folders = [*in_root, *((folder, ".*.tmp") for folder in paths.written_to)]
    return sorted(path for folder, pattern in folders for path in folder.glob(pattern))


def stages_at_work(paths: Paths) -> bool:
    """Whether a stage runs in this workspace: each holds a lock."""
    locks = paths.lock("stage", "cell").parent.glob("*@*.lock")
    return any(map(_is_held, locks))


def _is_held(lock: Path) -> bool:
    with lock.open("rb") as file, suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    return True


def outputs(paths: Paths) -> Iterator[str]:
    """Output folders in which a file is missing or has another sha256 than it was written with."""
    for folder in progress(paths.sealed, label="doctor", unit="out"):
        try:
            check_sealed(folder)
        except InputError as error:
            yield str(error)


CHECKS: dict[str, Callable[[Paths], Iterator[str]]] = {
    "dvc.lock": dvc_lock,
    "DVC's rwlock": dvc_rwlock,
    "temporary files": temporary_files,
    "outputs": outputs,
}
