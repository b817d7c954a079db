"""End this process with its parent: `kill -9` of `dvc repro` must not leave a stage running."""

import ctypes
import os
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
DVC_VARIABLE = "DVC_STAGE"  # DVC sets it in the environment of every command that it runs


def die_with_parent() -> None:
    """On Linux, end this process when its parent is killed; at once, if that has happened already.

    DVC's shell survives a kill of DVC, so every ancestor up to DVC is watched.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    links = ancestors_to_dvc()
    if os.getppid() != parent or any(adopted(*link) for link in links):
        os.kill(os.getpid(), signal.SIGTERM)
    further = [ancestor for _, ancestor in links[1:]]  # prctl covers the parent alone
    if further and hasattr(os, "pidfd_open"):
        Thread(target=_die_with, args=(further,), daemon=True).start()


def ancestors_to_dvc() -> list[tuple[int, int]]:
    """Pairs (process, its parent) from this process up to DVC; empty where DVC did not start this process."""
    links = []
    process, parent, below_dvc = os.getpid(), os.getppid(), DVC_VARIABLE in os.environ
    while below_dvc:
        links.append((process, parent))
        process, parent, below_dvc = parent, _parent_of(parent), _is_below_dvc(parent)
    return links


def adopted(process: int, parent: int) -> bool:
    """Whether a process that DVC started is an orphan: its first parent has ended and another process adopted it.

    DVC and its shell start their children in their own process group; the process that adopts orphans (init, a session
    manager) is in another. Where DVC itself is the first process, as in a container, its stages are in its group.
    """
    try:
        return os.getpgid(parent) != os.getpgid(process)
    except ProcessLookupError:  # ended meanwhile
        return True


def _die_with(others: list[int]) -> None:
    """End this process when one of the others ends."""
    handles = []
    for other in others:
        with suppress(ProcessLookupError):
            handles.append(os.pidfd_open(other))
    if len(handles) == len(others):
        select.select(handles, [], [])
    os.kill(os.getpid(), signal.SIGTERM)


def _parent_of(process: int) -> int:
    with suppress(OSError):  # ended meanwhile; `adopted` detects that
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _is_below_dvc(process: int) -> bool:
    with suppress(OSError):  # it has ended, or is another user's
        return f"\0{DVC_VARIABLE}=".encode() in b"\0" + Path(f"/proc/{process}/environ").read_bytes()
    return False
