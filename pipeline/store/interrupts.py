"""Ctrl-C reaches every process of a run, since they share a terminal: one of them answers it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C inside the block, which a process that is started there does to its end; in the main thread."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
