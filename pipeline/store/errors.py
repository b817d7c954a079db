"""Errors shown to the user, and the exit codes of the command line."""

from pipeline.store.words import visible

EXIT_DONE = 0
EXIT_USER_FAULT = 2


class InputError(Exception):
    """Invalid input data or params: shown as one message without a traceback, exit code 2.

    The message says what is wrong and where (file, key or row), what was received, what is allowed, and the remedy.
    What it quotes cannot move a terminal's cursor or colour it: only line breaks stay, all else that is unprintable is
    escaped.
    """

    def __init__(self, message: str = ""):
        super().__init__(visible(message, keep="\n"))


class InputFaults(InputError):
    """Several faults of the input data, told at once: the message has the first ones, `faults` has all.

    Args:
        faults: at least one; each a message of its own.
    """

    SHOWN = 8  # of a message of at most twelve lines

    def __init__(self, faults: list[str]):
        self.faults = faults
        lines = [f"  - {fault}" for fault in faults[: self.SHOWN]]
        more = len(faults) - len(lines)
        lines += [f"  and {more:,} more."] if more else []
        super().__init__(faults[0] if len(faults) == 1 else "\n".join([f"{len(faults):,} faults:", *lines]))

    def __reduce__(self) -> tuple[type, tuple[list[str]]]:
        return type(self), (self.faults,)  # a worker's fault reaches its parent whole


class ParamsError(InputError):
    """params.yaml is invalid; lists all of its faults at once.

    Args:
        faults: one sentence per fault, beginning with the dotted key.
        path: the file that was read.
    """

    def __init__(self, faults: list[str], path: str = "params.yaml"):
        self.faults, self.path = faults, path
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f"{path} has {count}:\n" + "\n".join(f"  - {fault}" for fault in faults))

    def __reduce__(self) -> tuple[type, tuple[list[str], str]]:
        return type(self), (self.faults, self.path)
