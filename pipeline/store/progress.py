"""Progress bars (tqdm) on standard error, for anything that takes over two seconds.

What runs in several processes shows one bar: each process counts into a file of its own, and one watches the files.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

from tqdm import tqdm

CLEAR_BELOW, CLEAR_LINE, UP = "\r\x1b[J", "\x1b[K", "\x1b[A"  # what terminals do
QUIET_INTERVAL = 15.0  # seconds between lines if standard error is not a terminal
WATCH_INTERVAL = 0.5  # seconds between looks at the files of counts
LINE = "TRANSFER_VERDICT_LINE"  # the environment variable with the line of the terminal for bars of this process

_counts_into: Path | None = None  # where this process's bars count instead of drawing


class CountFile:
    """A bar that draws nothing: it writes the count so far to a file, at most twice a second."""

    def __init__(self, path: Path):
        self.path, self.written = path, 0.0
        self.count = read_count(path)

    def update(self, more: float = 1) -> None:
        """Count further steps."""
        self.count += int(more)
        if time.monotonic() - self.written > WATCH_INTERVAL:
            self.path.write_text(str(self.count))
            self.written = time.monotonic()

    def __enter__(self) -> "CountFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.path.write_text(str(self.count))


def progress(iterable: Iterable[Any] | None = None, total: int | None = None, label: str = "", unit: str = "it") -> Any:
    """Wrap an iterable, or count with `.update`; refreshed every 15 s in a log, ten times a second in a terminal."""
    if _counts_into is not None:
        return CountFile(_counts_into) if iterable is None else iterable
    terminal = sys.stderr.isatty()
    return tqdm(
        iterable,
        total=total,
        desc=label,
        unit=unit,
        mininterval=0.1 if terminal else QUIET_INTERVAL,
        leave=False,
        dynamic_ncols=terminal,
        position=int(os.environ.get(LINE, 0)) if terminal else None,
        file=sys.stderr,
        delay=2.0,
    )


@contextmanager
def counting_into(path: Path) -> Iterator[None]:
    """Let bars in this process count into a file instead of drawing."""
    global _counts_into
    before, _counts_into = _counts_into, path
    try:
        yield
    finally:
        _counts_into = before


def read_count(path: Path) -> int:
    """The count in a file of `counting_into`; 0 before the first."""
    with suppress(OSError, ValueError):  # absent, or just being written
        return int(path.read_text())
    return 0


@contextmanager
def one_bar(files: Sequence[Path], total: int, label: str, unit: str) -> Iterator[None]:
    """Show the sum of the counts in files, which other processes write, as one bar."""
    ended = Event()
    bar = progress(total=total, label=label, unit=unit)

    def watch() -> None:
        shown = 0
        while True:
            last = ended.wait(WATCH_INTERVAL)
            count = min(sum(map(read_count, files)), total)
            if count > shown:
                bar.update(count - shown)
                shown = count
            if last:
                return

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        bar.__exit__(None, None, None)


class RunLine:
    """A line about a whole run: on a terminal one below the bars of its cells, in a log a further one each time.

    It has no lock and no thread, as tqdm's bars have, since the process that draws it forks.
    """

    def __init__(self, below: int):
        """
        Args:
            below: lines of the terminal above it, for bars of other processes.
        """
        self.below, self.terminal = below, sys.stderr.isatty()

    def write(self, text: str) -> None:
        """Show a line: the same one on a terminal, a further one in a log."""
        if self.terminal:
            self.refresh(lambda: text)
        else:
            print(text, flush=True)

    def refresh(self, text: Callable[[], str]) -> None:
        """Draw the line anew on a terminal; do nothing in a log."""
        if self.terminal:
            shown = text()[: shutil.get_terminal_size().columns - 1]
            lines = "\n" * self.below + f"\r{shown}{CLEAR_LINE}" + UP * self.below + "\r"
            print(lines, end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Take the line and what is left of bars off the terminal."""
        if self.terminal:
            print(CLEAR_BELOW, end="", file=sys.stderr, flush=True)


def say(line: str) -> None:
    """Print a line to standard output, on a terminal without the remains of bars behind and below it."""
    print(f"{CLEAR_BELOW if sys.stdout.isatty() else ''}{line}", flush=True)
