"""An end with the one who started this process: `kill -9` of `dvc repro` must not leave a stage at work."""

import ctypes
import os
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
OF_DVC = "DVC_STAGE"  # what DVC sets in the environment of every command that it runs


def die_with_parent() -> None:
    """On Linux, end this process when the one that started it is killed; at once, if that has happened already.

    Where DVC's shell is the parent, and so would outlive DVC, the end of DVC counts too.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    links = ancestors_to_dvc()
    if os.getppid() != parent or any(adopted(*link) for link in links):
        os.kill(os.getpid(), signal.SIGTERM)
    beyond = [above for _, above in links[1:]]  # the kernel tells of the parent alone
    if beyond and hasattr(os, "pidfd_open"):
        Thread(target=_die_with, args=(beyond,), daemon=True).start()


def ancestors_to_dvc() -> list[tuple[int, int]]:
    """This process and its parent, that one and its own, ... up to DVC; empty where DVC did not start this process."""
    links = []
    process, above, of_dvc = os.getpid(), os.getppid(), OF_DVC in os.environ
    while of_dvc:
        links.append((process, above))
        process, above, of_dvc = above, _parent_of(above), _is_of_dvc(above)
    return links


def adopted(process: int, parent: int) -> bool:
    """Whether a process that DVC started has another parent than at its start, because that one has ended.

    DVC and its shell start what they run in their own process group; who takes care of orphans (the first process, a
    session's manager, a shell at a terminal) is in another. Where DVC itself is the first process, as in a container,
    its stages are in its group.
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
    with suppress(OSError):  # ended meanwhile, which `adopted` finds out
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _is_of_dvc(process: int) -> bool:
    with suppress(OSError):  # it has ended, or is another user's
        return f"\0{OF_DVC}=".encode() in b"\0" + Path(f"/proc/{process}/environ").read_bytes()
    return False
