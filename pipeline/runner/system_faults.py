"""Convert OS errors of a running stage (disk full, no permission, out of memory) into actionable messages.

Libraries' errors are recognised by class name, so that no library is imported here.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.config.params import Params
from pipeline.runner.declaration import Cell
from pipeline.store.errors import InputError

# errno -> message; {path}, {free} MB and {user} are filled in
DISK = {
    errno.ENOSPC: "{path}: the disk is full ({free:,} MB free). Make room, e.g. by `dvc gc --workspace`, and rerun.",
    errno.EDQUOT: "{path}: your quota of the disk is used up. Make room, or have it raised, and run again.",
    errno.EROFS: "{path}: the disk is read-only. Mount it for writing, or copy the project to one that is not.",
    errno.EACCES: "{path}: user {user} may not read or write it. Correct its owner or mode (`ls -ld`), and run again.",
    errno.EPERM: "{path}: user {user} may not change it. Correct its owner, mode or attributes, and run again.",
}
NO_SPACE = os.strerror(errno.ENOSPC)  # libraries repeat it in errors of their own
SHORT_WRITE = re.compile(r"^\d+ requested and \d+ written$")  # NumPy's message for a full disk, without an errno
IMAGE_SIZE = "run.image_size"
OUT_OF_MEMORY = ("ResourceExhaustedError", "OutOfMemoryError")  # TensorFlow, PyTorch
GENERIC = ("RuntimeError", "XlaRuntimeError", "JaxRuntimeError", "InternalError")  # of memory if the text matches:
MEMORY = re.compile(r"RESOURCE_EXHAUSTED|out.of.memory|can't allocate memory|failed to allocate|ALLOC_FAILED", re.I)


@contextmanager
def system_faults(root: Path, setting: str = "") -> Iterator[None]:
    """Turn errors of the disk and of memory into an InputError; any other error passes.

    Args:
        root: the path in the message where an error has none.
        setting: the result of `memory_setting`.

    Raises:
        InputError: no room on the disk, no right to write, or no memory left.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        for fault in _chain(error):
            if message := disk_message(fault, root) or memory_message(fault, setting):
                raise InputError(message) from error
        raise


def memory_setting(cell: Cell, params: Params) -> str:
    """The key of params.yaml that a cell's memory grows with, and its value; "" for a stage that reads tables alone.

    The batch size where the cell trains a network, else the image size.
    """
    for key in cell.params:
        size = getattr(params.at(key), "batch_size", None)
        if size is not None:
            return f"`{key}.batch_size` (now {size})"
    if cell.uses_device or (IMAGE_SIZE in cell.params and cell.name):  # the report only prints it
        return f"`{IMAGE_SIZE}` (now {params.at(IMAGE_SIZE)})"
    return ""


def disk_message(error: BaseException, root: Path) -> str:
    """The message for an error of the disk, or "" for any other error."""
    number = error.errno if isinstance(error, OSError) else None
    if SHORT_WRITE.match(str(error)) or NO_SPACE in str(error):
        number = errno.ENOSPC
    if number not in DISK:
        return ""
    path = Path(os.fsdecode(getattr(error, "filename", None) or root)).absolute()
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(existing).free // 10**6
    return DISK[number].format(path=path, free=free, user=os.getuid())


def memory_message(error: BaseException, setting: str) -> str:
    """The message for an error of memory, or "" for any other error."""
    name, text = type(error).__name__, str(error)
    generic = name in GENERIC and MEMORY.search(text)
    system = isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM
    if not (system or name in OUT_OF_MEMORY or generic):
        return ""
    lower = f", or lower {setting}" if setting else ""
    return f"out of memory ({shortened(text) or name}). Close what else uses memory{lower}, and run again."


def shortened(text: str, most: int = 160) -> str:
    """The first line of a message, cut after `most` characters."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= most else line[:most].rstrip() + "..."


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and its causes: clean-up after a full disk fails too, with an error of its own."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
