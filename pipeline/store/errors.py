"""Errors shown to the user, and the exit codes of the command line."""

EXIT_DONE = 0
EXIT_USER_FAULT = 2


class InputError(Exception):
    """Invalid input data or params: shown as one message without a traceback, exit code 2.

    The message says what is wrong and where (file, key or row), what was received, what is allowed, and the remedy.
    """


class ParamsError(InputError):
    """params.yaml is invalid; lists all of its faults at once.

    Args:
        faults: one sentence per fault, beginning with the dotted key.
        path: the file that was read.
    """

    def __init__(self, faults: list[str], path: str = "params.yaml"):
        self.faults = faults
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f"{path} has {count}:\n" + "\n".join(f"  - {fault}" for fault in faults))
