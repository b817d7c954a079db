"""A fork server that imports the heavy libraries once for all cells of `python -m pipeline repro`.

Importing Keras and TensorFlow takes seconds, and DVC starts a process for every cell. Beside the server that process is
a client; the cell is a fork of the server with the client's folder, environment and streams. Linux only. Elsewhere, and
where the server fails, every cell imports for itself, with the same outputs.
"""

import atexit
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.runner.parent import die_with_parent

ADDRESS = "TRANSFER_VERDICT_WARM"  # the environment variable with the path of the server's socket
HEAVY = (
    "keras",
    "pandas",
    "scipy.stats",
    "sklearn.model_selection",
    "great_expectations",
    "matplotlib.figure",
    "dvclive",
    "dvc.repo",
    "joblib",
)
POLL = 1.0  # seconds between looks at whether the process that started the server still runs
INTERRUPTED = 130  # the exit code after Ctrl-C, as shells have it
SIZE = 4  # bytes of an exit code or of the length of a request
ALONE = "warm: the warm process has ended ({}); this cell runs on its own"
Main = Callable[[list[str]], int]  # the command line's `main`, in a cell


def ask(arguments: list[str]) -> int | None:
    """Have the server run a command; returns its exit code, or None where there is no server, or it failed.

    The client exits when its parent exits, and the cell when the client does.
    """
    address = os.environ.get(ADDRESS)
    if not address:
        return None
    die_with_parent()
    call = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    request = json.dumps(call).encode()
    reason = "no answer"
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
            socket.send_fds(connection, [len(request).to_bytes(SIZE, "big")], [0, 1, 2])
            connection.sendall(request)
            answer = _receive(connection, SIZE)
            if len(answer) == SIZE:
                return int.from_bytes(answer, "big")
        except OSError as error:  # refused, reset, or the socket is gone
            reason = error.strerror or str(error)
    print(ALONE.format(reason), file=sys.stderr, flush=True)
    return None


def run_beside(call: Callable[[], int], main: Main) -> int:
    """Make a call with a server beside it, and end the server after it; returns what the call returns."""
    if not hasattr(os, "pidfd_open"):
        return call()
    with tempfile.TemporaryDirectory(prefix="warm-") as folder, socket.socket(socket.AF_UNIX) as listener:
        address = str(Path(folder, "socket"))
        listener.bind(address)
        listener.listen()
        server = os.fork()
        if server == 0:
            _exit_after(partial(serve, listener, main))
        listener.close()  # else a client would wait for a server that has ended
        os.environ[ADDRESS] = address
        try:
            return call()
        finally:
            del os.environ[ADDRESS]
            os.kill(server, signal.SIGTERM)
            os.waitpid(server, 0)


def serve(listener: socket.socket, main: Main) -> None:
    """Import the heavy libraries, then fork for every client."""
    from pipeline.networks.device import choose_backend, without_notices  # not at import: `ask` must start fast

    choose_backend()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the command and the cells; the server ends with them
    with without_notices():
        for name in HEAVY:
            importlib.import_module(name)
    gc.freeze()  # else every garbage collection in a cell scans all imported modules (0.3 s each)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies of the processes that watch the cells
    parent = os.getppid()
    listener.settimeout(POLL)
    while os.getppid() == parent:  # until the command's process is killed
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _exit_after(partial(_watch, connection, main))
        connection.close()


def _watch(connection: socket.socket, main: Main) -> None:
    """Fork the cell, answer with its exit code, and end it when the client is gone."""
    head, streams, _, _ = socket.recv_fds(connection, SIZE, 3)
    request = json.loads(_receive(connection, int.from_bytes(head, "big")))
    cell = os.fork()
    if cell == 0:
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        _exit_after(partial(_run, request, main))
    handle = os.pidfd_open(cell)
    ready, _, _ = select.select([handle, connection.fileno()], [], [])
    if handle not in ready:
        os.kill(cell, signal.SIGTERM)
    code = os.waitstatus_to_exitcode(os.waitpid(cell, 0)[1])
    with suppress(BrokenPipeError):  # the client is gone
        connection.sendall((code if code >= 0 else 128 - code).to_bytes(SIZE, "big"))


def _run(request: dict[str, Any], main: Main) -> int:
    atexit._clear()  # those of the server
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    try:
        return main(request["arguments"])
    finally:
        atexit._run_exitfuncs()  # of the cell: joblib removes the files of its workers


def _exit_after(call: Callable[[], int | None]) -> None:
    """Make a call and end this forked process with its result, without the parent's handlers of its end."""
    code = 1
    try:
        code = call() or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _receive(connection: socket.socket, size: int) -> bytes:
    """Read `size` bytes, or fewer where the other side ends."""
    parts = b""
    while len(parts) < size and (part := connection.recv(size - len(parts))):
        parts += part
    return parts
