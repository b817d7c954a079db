"""A process that has imported the heavy libraries once, and forks for every cell.

Importing Keras and TensorFlow takes seconds, and DVC starts a process a cell. `python -m pipeline warm dvc repro` runs
the command beside a process that has them ready; each cell is then a fork of it, with the caller's folder, environment
and streams. Linux only; elsewhere, and without `warm`, every cell starts on its own and comes to the same bytes.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.runner.parent import die_with_parent

ADDRESS = "TRANSFER_VERDICT_WARM"  # the environment variable that leads a cell to the warm process
HEAVY = (
    "keras",
    "pandas",
    "scipy.stats",
    "sklearn.model_selection",
    "great_expectations",
    "matplotlib.figure",
    "dvclive",
    "dvc.repo",
)
POLL = 1.0  # seconds between looks at whether the one who started this is still there
SIZE = 4  # bytes of an exit code or of the length of a request


def ask(arguments: list[str]) -> int | None:
    """Have the warm process run a command; its exit code, or None where there is no such process.

    The one who asks ends with its parent, and the cell with the one who asks.
    """
    address = os.environ.get(ADDRESS)
    if not address:
        return None
    die_with_parent()
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(address)
        except OSError:
            return None
        call = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
        request = json.dumps(call).encode()
        socket.send_fds(line, [len(request).to_bytes(SIZE, "big")], [0, 1, 2])
        line.sendall(request)
        answer = _receive(line, SIZE)
    return int.from_bytes(answer, "big") if len(answer) == SIZE else 1


def run_beside(command: list[str]) -> int:
    """Run a command with the warm process beside it, and end that with the command; returns its exit code."""
    if not hasattr(os, "pidfd_open"):
        return subprocess.run(command, check=False).returncode
    with tempfile.TemporaryDirectory(prefix="warm-") as folder, socket.socket(socket.AF_UNIX) as door:
        address = str(Path(folder, "door"))
        door.bind(address)
        door.listen()
        server = os.fork()
        if server == 0:
            _leave(serve, door)
        try:
            return subprocess.run(command, env={**os.environ, ADDRESS: address}, check=False).returncode
        finally:
            os.kill(server, signal.SIGTERM)
            os.waitpid(server, 0)


def serve(door: socket.socket) -> None:
    """Import what is heavy, then fork for every request."""
    from pipeline.networks.device import choose_backend, without_notices  # not for `ask`, which is to start at once

    choose_backend()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command and the cells answer an interrupt, this follows them
    with without_notices():
        for name in HEAVY:
            importlib.import_module(name)
    gc.freeze()  # what is imported stays: else every collection in a cell walks through all of it (0.3 s each)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that watch over the cells
    parent = os.getppid()
    door.settimeout(POLL)
    while os.getppid() == parent:  # else the command's process was killed
        try:
            line, _ = door.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            door.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _leave(_watch, line)
        line.close()


def _watch(line: socket.socket) -> None:
    """Fork the cell, answer with its exit code, and end it when the one who asked is gone."""
    head, streams, _, _ = socket.recv_fds(line, SIZE, 3)
    request = json.loads(_receive(line, int.from_bytes(head, "big")))
    cell = os.fork()
    if cell == 0:
        line.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        _leave(_run, request)
    handle = os.pidfd_open(cell)
    ready, _, _ = select.select([handle, line.fileno()], [], [])
    if handle not in ready:
        os.kill(cell, signal.SIGTERM)
    code = os.waitstatus_to_exitcode(os.waitpid(cell, 0)[1])
    with suppress(BrokenPipeError):  # the one who asked is gone
        line.sendall((code if code >= 0 else 128 - code).to_bytes(SIZE, "big"))


def _run(request: dict[str, Any]) -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    code: int = importlib.import_module("pipeline.cli").main(request["arguments"])
    return code


def _leave(call: Callable[[Any], int | None], argument: object) -> None:
    """Make a call and end this process, without the clean-up that belongs to the process it was forked from."""
    code = 1
    try:
        code = call(argument) or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _receive(line: socket.socket, size: int) -> bytes:
    """Read `size` bytes, or fewer where the other side ends."""
    parts = b""
    while len(parts) < size and (part := line.recv(size - len(parts))):
        parts += part
    return parts
