"""Progress bars (tqdm) on standard error, for anything that takes over two seconds."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

QUIET_INTERVAL = 15.0  # seconds between lines if standard error is not a terminal


def progress(
    iterable: Iterable[Any] | None = None, total: int | None = None, label: str = "", unit: str = "it"
) -> tqdm:
    """Wrap an iterable, or count with `.update`; refreshed every 15 s in a log, ten times a second in a terminal."""
    terminal = sys.stderr.isatty()
    return tqdm(
        iterable,
        total=total,
        desc=label,
        unit=unit,
        mininterval=0.1 if terminal else QUIET_INTERVAL,
        leave=False,
        dynamic_ncols=terminal,
        file=sys.stderr,
        delay=2.0,
    )
