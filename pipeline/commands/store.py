"""`python -m pipeline store`: what the store of finished trainings holds, and how to make it smaller."""

import time

from pipeline.store.kept import GIGABYTE, Store
from pipeline.store.paths import Paths

DAY = 24 * 60 * 60


def describe(paths: Paths, limit_gb: float) -> str:
    """The number, size and age of what is kept, on one line."""
    entries = Store(paths.store).entries()
    if not entries:
        return "store: empty"
    size = sum(entry.size for entry in entries) / GIGABYTE
    days = (time.time() - entries[0].used) / DAY
    return (
        f"store: {len(entries):,} results, {size:.2f} GB of at most {limit_gb:g} (run.store_gb), the least recently "
        f"used {days:.0f} days ago; `python -m pipeline store --prune GB` keeps at most so many gigabytes"
    )


def prune(paths: Paths, limit_gb: float) -> str:
    """Delete what was not used for longest; returns what was deleted and what is left, on one line."""
    store = Store(paths.store)
    deleted = store.prune(limit_gb * GIGABYTE)
    left = store.entries()
    freed, kept = (sum(entry.size for entry in entries) / GIGABYTE for entries in (deleted, left))
    busy = "; a run uses the store now, so nothing was deleted" if kept > limit_gb else ""
    return f"store: {len(deleted):,} results ({freed:.2f} GB) deleted, {len(left):,} ({kept:.2f} GB) left{busy}"
