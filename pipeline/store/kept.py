"""Results kept by what they depend on, so that nothing is computed twice: a sealed folder a key.

The store is shared by all cells of a workspace and by its runs; it is in no stage's outputs, and deleting it costs
computing time. What was not used for longest goes first where it grows too large.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.store.errors import InputError
from pipeline.store.files import check_sealed, replacing_folder

GIGABYTE = 10**9
PROGRESS = "progress-"  # how folders in the store begin in which running trainings count


@dataclass(frozen=True)
class Entry:
    """A folder of the store, its size in bytes, and when it was last used (seconds since the epoch)."""

    folder: Path
    size: int
    used: float


@dataclass(frozen=True)
class Store:
    """The folder that holds the entries; it need not exist."""

    folder: Path

    def entry(self, key: str) -> Path:
        """The folder of a key, a hex sha256."""
        return self.folder / key[:2] / key

    def has(self, key: str) -> bool:
        """Whether a key is there, complete and undamaged; it then counts as used now."""
        try:
            os.utime(check_sealed(self.entry(key)))
        except InputError:
            return False
        return True

    def make(self, key: str, write: Callable[[Path], None]) -> Path:
        """The folder of a key; unless it is there, `write` fills it, whole or not at all.

        One process at a time makes an entry, and another that wants it waits for it.
        """
        with self._locked(fcntl.LOCK_EX, f"lock-{key[:2]}"):
            if not self.has(key):
                with replacing_folder(self.entry(key)) as folder:
                    write(folder)
        return self.entry(key)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep every entry while the caller needs some; any number of processes at once."""
        with self._locked(fcntl.LOCK_SH):
            yield

    def entries(self) -> list[Entry]:
        """All entries, the least recently used first."""
        folders = [folder for folder in self.folder.glob("??/*") if not folder.name.startswith(".")]
        return sorted((_entry(folder) for folder in folders), key=lambda entry: (entry.used, entry.folder))

    def prune(self, limit: float) -> list[Entry]:
        """Delete the least recently used entries until the rest has at most `limit` bytes; returns those deleted.

        Nothing is deleted while another process uses the store: the last one of a run does it.
        """
        if not self.folder.is_dir():
            return []
        try:
            with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
                for remains in (*self.folder.glob("??/.*.tmp"), *self.folder.glob(f"{PROGRESS}*")):  # of a killed run
                    shutil.rmtree(remains)
                entries = self.entries()
                size, deleted = sum(entry.size for entry in entries), list[Entry]()
                for entry in entries:
                    if size <= limit:
                        break
                    shutil.rmtree(entry.folder)
                    size -= entry.size
                    deleted.append(entry)
                return deleted
        except BlockingIOError:
            return []

    @contextmanager
    def _locked(self, mode: int, name: str = "lock") -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / name).open("a") as file:
            fcntl.flock(file, mode)
            yield


def _entry(folder: Path) -> Entry:
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Entry(folder, size, folder.stat().st_mtime)
