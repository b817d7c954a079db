"""Cores shared by the processes of a run: who computes holds one, so that no more compute at once than there are.

Cells that run at the same time may each want more than one core. As with the job server of GNU make, every core is a
token, here a lock on a file: it is free again when its holder ends, however it ends.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

FOLDER = "TRANSFER_VERDICT_CORES"  # environment: the folder of the tokens; unset: a process may use all cores
OWN = "TRANSFER_VERDICT_CORE"  # environment: the token that is held for this process and its workers
POLL = 0.05  # seconds between two tries
MANY = 2**31


def make_tokens(folder: Path, count: int) -> list[Path]:
    """Create the tokens of so many cores."""
    tokens = [folder / f"core{number}" for number in range(count)]
    for token in tokens:
        token.touch()
        inner(token).touch()
    return tokens


def inner(token: Path) -> Path:
    """The lock under which the processes of a cell share the token that is held for their cell."""
    return token.with_suffix(".inner")


@contextmanager
def one_core() -> Iterator[None]:
    """Hold a core of the run: that of this process's cell, or any other; wait until one is free."""
    folder = os.environ.get(FOLDER)
    if folder is None:
        yield
        return
    own = os.environ.get(OWN)
    tokens = sorted(path for path in Path(folder).iterdir() if not path.suffix)
    tokens.sort(key=lambda token: token.name != own)  # its own first, else that would lie idle
    with hold_one([inner(token) if token.name == own else token for token in tokens]):
        yield


def free_cores() -> int:
    """How many cores of the run nobody holds now; many where processes do not share cores."""
    folder = os.environ.get(FOLDER)
    return MANY if folder is None else sum(_is_free(token) for token in Path(folder).iterdir() if not token.suffix)


def _is_free(token: Path) -> bool:
    with token.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def hold_one(tokens: list[Path]) -> Iterator[Path]:
    """Hold one of several tokens, the first that is free."""
    with ExitStack() as files:
        opened = {token: files.enter_context(token.open("a")) for token in tokens}
        while True:
            for token, file in opened.items():
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield token
                return
            time.sleep(POLL)
