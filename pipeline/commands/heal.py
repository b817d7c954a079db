"""Before a run: heal what `kill -9` left behind, where no process is at work in the workspace any more.

DVC writes its list of readers and writers in place, `dvc repro` dvc.lock as well, so that either may be cut. Neither
holds a result: DVC makes the list anew, and reproduces a stage that dvc.lock does not name, from its run cache where it
can.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from ruamel.yaml import YAML, YAMLError

from pipeline.commands.doctor import MERGE, OUT_KEYS, dvc_lock, dvc_rwlock, remains, stages_at_work
from pipeline.runner.lock_file import ENTRY, HEAD
from pipeline.runner.stage import locked
from pipeline.store.errors import InputError
from pipeline.store.files import write_text
from pipeline.store.kept import Store
from pipeline.store.paths import Paths

PATIENCE = 20.0  # seconds for the processes of a killed run to end
DVC_PROCESS = re.compile(r"dvc|pipeline")  # in a command line


@contextmanager
def sole_run(paths: Paths) -> Iterator[str]:
    """Hold the lock of a run; yields a line that says what was healed before it, or "".

    Raises:
        InputError: another run is at work in this workspace; or dvc.lock has the conflict markers of a merge.
    """
    with locked(paths.run_lock, PATIENCE):
        healed = [line for heal in HEALS if (line := heal(paths))]
        yield f"healed after a killed run: {'; '.join(healed)}" if healed else ""


def temporary_files(paths: Paths) -> str:
    """Delete what killed processes were writing."""
    found = remains(paths)
    if stages_at_work(paths):  # asked after the search: a stage takes its lock before it writes
        return ""
    Store(paths.store).prune(float("inf"))  # nothing but what killed processes left there
    for path in found:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return f"{len(found)} temporary files and folders deleted" if found else ""


def readers_and_writers(paths: Paths) -> str:
    """Delete DVC's list of processes where it is cut, or names none but processes that have ended."""
    file = paths.dvc_tmp / "rwlock"
    if not file.exists():
        return ""
    reason = "it was cut" if any(dvc_rwlock(paths)) else "they have ended" if _only_ended(file) else ""
    if not reason or not _while_no_dvc_works(paths, lambda: file.unlink(missing_ok=True)):
        return ""
    return f"{file}, DVC's list of processes, deleted ({reason})"


def lock_file(paths: Paths) -> str:
    """Keep the whole entries of a dvc.lock that is cut.

    Raises:
        InputError: it has conflict markers, between which only its user can choose.
    """
    finding = next(dvc_lock(paths), "")
    if MERGE in finding:
        raise InputError(finding)
    if not finding:
        return ""
    blocks = ENTRY.split(paths.dvc_lock.read_bytes().decode("utf-8", errors="replace"))[1:]
    whole = [block for block in blocks if _is_whole(block)]

    def write() -> None:
        write_text(paths.dvc_lock, HEAD + "".join(whole)) if whole else paths.dvc_lock.unlink()

    if not _while_no_dvc_works(paths, write):
        return ""
    return f"{paths.dvc_lock} was cut, {len(whole)} entries of it kept; DVC looks at the other stages anew"


HEALS: tuple[Callable[[Paths], str], ...] = (temporary_files, readers_and_writers, lock_file)


def _while_no_dvc_works(paths: Paths, change: Callable[[], object]) -> bool:
    """Make a change under DVC's own lock; returns whether it was free and no stage runs, else nothing is changed."""
    from dvc.lock import LockError
    from dvc.repo import Repo

    try:
        with Repo(str(paths.root)).lock:
            if stages_at_work(paths):
                return False
            change()
            return True
    except LockError:
        return False


def _only_ended(file: Path) -> bool:
    """Whether DVC's list names processes, and all have ended: their numbers may be those of other programs by now."""
    content = json.loads(file.read_text(encoding="utf-8"))
    readers = [process for several in content.get("read", {}).values() for process in several]
    numbers = {int(process["pid"]) for process in (*content.get("write", {}).values(), *readers)}
    return bool(numbers) and not any(map(_is_dvc, numbers))


def _is_dvc(number: int) -> bool:
    try:
        return bool(DVC_PROCESS.search(" ".join(psutil.Process(number).cmdline())))
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:  # another user's
        return True


def _is_whole(block: str) -> bool:
    """Whether an entry of dvc.lock has all that DVC writes."""
    try:
        ((_, stage),) = YAML(typ="safe").load(block).items()
        return bool(stage["cmd"] and stage["outs"]) and all(set(out) >= OUT_KEYS for out in stage["outs"])
    except (YAMLError, AttributeError, KeyError, TypeError, ValueError):
        return False
