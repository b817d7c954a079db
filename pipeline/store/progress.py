"""Progress of anything over a few seconds: a bar with rate and time left on standard error."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

QUIET_INTERVAL = 15.0  # seconds between lines where standard error is a file, not a terminal


def progress(
    iterable: Iterable[Any] | None = None, total: int | None = None, label: str = "", unit: str = "it"
) -> tqdm:
    """Wrap an iterable, or count by hand with `.update`; a log gets a line every 15 s, a terminal ten a second."""
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
