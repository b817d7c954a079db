"""Print an error of the user: a message of a bounded length, the rest in a file that it names."""

import re
from contextlib import suppress
from pathlib import Path

from pipeline.store.files import write_text

MOST_LINES = 12  # of a message, with the one that names the file
MOST_CHARACTERS = 320  # of a line: three or four lines of a terminal
TAIL = 120  # characters kept at the end of a line that is cut, since the remedy stands there


def bounded(message: str, file: Path) -> str:
    """A message of at most MOST_LINES lines of at most MOST_CHARACTERS; if it is cut, all of it is written to `file`.

    The first lines are kept and, if it is no item of a list, the last, where the remedy stands.
    """
    lines = [shortened(line) for line in message.splitlines()]
    if len(lines) <= MOST_LINES and lines == message.splitlines():
        return message
    if len(lines) > MOST_LINES - 1:
        last = [] if lines[-1].lstrip().startswith("-") else lines[-1:]
        kept = lines[: MOST_LINES - 2 - len(last)]
        lines = [*kept, f"  ... and {len(lines) - len(kept) - len(last)} more lines", *last]
    where = "All of it could not be written to a file."
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, message + "\n")
        where = f"All of it: {file}"
    return "\n".join([*lines, where])


def shortened(line: str) -> str:
    """A line without its middle where it is too long."""
    if len(line) <= MOST_CHARACTERS:
        return line
    return f"{line[: MOST_CHARACTERS - TAIL - 5]} ... {line[-TAIL:]}"


def file_name(words: list[str]) -> str:
    """A file name made of the words of a command."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", "-".join(words))[:100] or "command"
