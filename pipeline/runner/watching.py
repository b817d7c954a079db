"""One line about the whole run: how many cells are done, and the minutes left.

The work of a cell is its core-seconds: by its clock from an earlier run, else as `init` estimated it, else the mean of
the clocks of its stage, those of this run too. What is left is divided by the work done a second so far, by all cells
that ran at the same time; at first it is that of undisturbed cores.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from statistics import mean

from pipeline.store.files import read_json
from pipeline.store.paths import Paths
from pipeline.store.progress import RunLine

UNTIMED = 4.0  # core-seconds of a cell that keeps no clock
# core-seconds of a run by CPU-second in its clocks: processes that begin, files; the default run took 4,800 for 3,950
ON_TOP = 1.2
TRUST = 300.0  # core-seconds of work after which the speed of this run counts as much as that of undisturbed cores
ALMOST = 0.9  # the most of a running cell's work that counts as done
Work = Mapping[str, float]  # STAGE@NAME -> core-seconds


def work_by_clock(clock: Mapping[str, object]) -> float:
    """The core-seconds of a cell by its clock; on an accelerator, where one cell runs at a time, its seconds.

    Raises:
        KeyError, ValueError, TypeError: it is no clock.
    """
    on_cpu = clock["device"] == "cpu"
    return float(str(clock["cpu_seconds"])) * ON_TOP if on_cpu else float(str(clock["seconds"]))


def expected_work(cells: Mapping[str, bool], clocks: Work, estimate: Work) -> dict[str, float | None]:
    """Cell -> its core-seconds; None where nothing is known of its stage.

    Args:
        cells: cell -> whether it keeps a clock. estimate: by `init`.
    """
    known = {**estimate, **clocks}
    stages: dict[str, list[float]] = {}
    for name, seconds in clocks.items():
        stages.setdefault(name.partition("@")[0], []).append(seconds)
    means = {stage: mean(seconds) for stage, seconds in stages.items()}
    return {
        name: known.get(name, means.get(name.partition("@")[0])) if timed else UNTIMED for name, timed in cells.items()
    }


def seconds_left(
    work: Mapping[str, float | None], done: Iterable[str], running: Mapping[str, float], spent: float, cores: int
) -> float | None:
    """Seconds until all work is done; None where that of a cell is not known.

    Args:
        work: cell -> core-seconds, of all that were stale. done: those that have ended.
        running: others -> seconds since they began. spent: seconds of the run so far. cores: cells at once.
    """
    ended = set(done)
    if any(seconds is None and name not in ended for name, seconds in work.items()):
        return None
    known = {name: seconds or 0.0 for name, seconds in work.items()}
    finished = sum(known[name] for name in ended)
    finished += sum(min(seconds, ALMOST * known[name]) for name, seconds in running.items())
    speed = (finished + TRUST) / (spent + TRUST / cores)
    return max(0.0, sum(known.values()) - finished) / speed


def in_words(done: int, total: int, seconds: float | None) -> str:
    """The line: cells done and minutes left, where they are known."""
    count = f"{done} of {total} cells done"
    if seconds is None or done == total:
        return count
    minutes = round(seconds / 60)
    left = "less than a minute" if minutes < 1 else "about 1 minute" if minutes == 1 else f"about {minutes} minutes"
    return f"{count}, {left} left"


class Watch:
    """What has ended and what runs, told as one line; a context that takes the line away at its end."""

    def __init__(
        self,
        cells: Mapping[str, bool],
        stale: Iterable[str],
        cores: int,
        paths: Paths,
        now: Callable[[], float] = time.monotonic,
    ):
        """
        Args:
            cells: all of the run -> whether each keeps a clock. stale: those that run; the others are done.
        """
        self.cells = {name: cells[name] for name in stale if name in cells}
        self.up_to_date, self.cores, self.paths, self.now = len(cells) - len(self.cells), cores, paths, now
        self.clocks: dict[str, float] = {}
        for name in cells:
            self._read_clock(name)
        self.estimate: Work = {}
        with suppress(OSError, ValueError):
            self.estimate = dict(read_json(paths.estimate))
        self.begun, self.began, self.done = now(), dict[str, float](), list[str]()
        self.line = RunLine(cores)

    def __enter__(self) -> "Watch":
        self.line.write(self.text())
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close()

    def text(self) -> str:
        """The line as it is now."""
        now = self.now()
        running = {name: now - began for name, began in self.began.items()}
        work = expected_work(self.cells, self.clocks, self.estimate)
        left = seconds_left(work, self.done, running, now - self.begun, self.cores)
        return in_words(self.up_to_date + len(self.done), self.up_to_date + len(self.cells), left)

    def begin(self, name: str) -> None:
        """Note that a cell begins."""
        if name in self.cells:
            self.began[name] = self.now()

    def end(self, name: str) -> None:
        """Note that a cell has ended; a log gets a line."""
        if name in self.cells:
            del self.began[name]
            self.done.append(name)
            self._read_clock(name)
            self.line.write(self.text())

    def tick(self) -> None:
        """Draw the line anew on a terminal, where minutes pass and cells print."""
        self.line.refresh(self.text)

    def _read_clock(self, name: str) -> None:
        """Note a cell's clock, if it has none yet; one that is missing or damaged stops no run."""
        stage, _, entry = name.partition("@")
        with suppress(OSError, ValueError, KeyError, TypeError):
            self.clocks.setdefault(name, work_by_clock(read_json(self.paths.clock(stage, entry))))
