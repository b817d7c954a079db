"""`python -m pipeline`: hands the command to the warm fork server, where there is one, else runs it itself."""

import os
import signal
import sys

from pipeline.runner.surroundings import fix_surroundings
from pipeline.store.errors import EXIT_USER_FAULT

UNREAD = 141  # the exit code of a program whose reader has gone, as shells have it


def run() -> int:
    """Run the command of this process; returns its exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not ignored, as of a command with `&`
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # there is nothing to end yet, and no traceback to show
    fix_surroundings()
    from pipeline.runner.warm import INTERRUPTED, ask

    try:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = ask(sys.argv[1:])
        if code is None:
            from pipeline.cli import main

            code = main()
        return code
    except ModuleNotFoundError as error:
        if str(error.name).startswith("pipeline"):  # a fault of ours
            raise
        print(
            f"error: {sys.executable} lacks the package {error.name}. Activate the project's environment "
            "(`. .venv/bin/activate`), or use `make`, which makes it.",
            file=sys.stderr,
        )
        return EXIT_USER_FAULT
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `| head`
        return UNREAD
    finally:
        drop_what_cannot_be_written()


def drop_what_cannot_be_written() -> None:
    """Leave nothing in standard output's buffer that Python would fail to write at its end, with a traceback."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    sys.exit(run())
