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
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.runner.parent import die_with_parent

ADDRESS = "TRANSFER_VERDICT_WARM"  # the environment variable with the path of the server's socket
HEAVY = (
    "keras",  # by import_keras
    "pandas",
    "scipy.stats",
    "sklearn.model_selection",
    "great_expectations",
    "matplotlib.figure",
    "dvclive",
    "dvc.repo",
    "joblib",
    *(f"pipeline.stages.{stage}" for stage in ("adapt", "evaluate", "extract", "report", "tune")),  # and what they need
)
POLL = 1.0  # seconds between looks at whether the process that started the server still runs
PATIENCE = 180.0  # seconds for the server to import all that and to begin a cell
GRACE = 10.0  # seconds for a cell to end by itself after Ctrl-C
INTERRUPTED, KILLED = 130, 137  # exit codes after Ctrl-C and after `kill -9`, as shells have them
SIZE = 4  # bytes of an exit code or of the length of a request
BEGUN = b"+"  # the first answer: the cell begins
WHY, TOLD = ".why", ".told"  # beside the socket: why the server failed, and that a client has said so
GONE = "warm: the warm process has ended ({}); cells run on their own"
ALONE = "warm: the warm process of this cell has ended; this cell runs on its own"
MEMORY = "warm: this cell was killed, most likely for lack of memory. Lower run.workers, or close what else needs it."
Main = Callable[[list[str]], int]  # the command line's `main`, in a cell


def ask(arguments: list[str]) -> int | None:
    """Have the server run a command; returns its exit code, or None where there is no server, or it failed.

    The client exits when its parent exits, and the cell when the client does.
    """
    address = os.environ.get(ADDRESS)
    if not address or Path(address + TOLD).exists():
        return None
    die_with_parent()
    call = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as connection:
        if fault := _begin(connection, address, json.dumps(call).encode()):
            _say_that_it_is_gone(address, fault)
            return None
        answer = _end(connection)
    if len(answer) < SIZE:
        print(ALONE, file=sys.stderr, flush=True)
        return None
    code = int.from_bytes(answer, "big")
    if code == KILLED:
        print(MEMORY, file=sys.stderr, flush=True)
    return code


def _begin(connection: socket.socket, address: str, request: bytes) -> str:
    """Send a request, and wait until the cell begins; returns "", or why it does not."""
    connection.settimeout(PATIENCE)
    try:
        connection.connect(address)
        socket.send_fds(connection, [len(request).to_bytes(SIZE, "big")], [0, 1, 2])
        connection.sendall(request)
        return "" if _receive(connection, len(BEGUN)) == BEGUN else "no answer"
    except TimeoutError:
        return f"no answer within {PATIENCE:g} s"
    except OSError as error:  # refused, reset, or the socket is gone
        return error.strerror or str(error)


def _end(connection: socket.socket) -> bytes:
    """Wait for the end of a cell that has begun; returns its exit code, or less where its watcher was killed.

    Raises:
        KeyboardInterrupt: by Ctrl-C, which ends the cell as well, once it has tidied up.
    """
    connection.settimeout(None)
    try:
        with suppress(ConnectionResetError):
            return _receive(connection, SIZE)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        connection.settimeout(GRACE)
        with suppress(OSError):
            _receive(connection, SIZE)
        raise
    return b""


def _say_that_it_is_gone(address: str, fault: str) -> None:
    """Say it once in a run, with the server's own words where it had time for some."""
    try:
        with suppress(FileNotFoundError):
            fault = Path(address + WHY).read_text(encoding="utf-8")
        Path(address + TOLD).touch(exist_ok=False)
    except FileExistsError:
        return
    except OSError:  # the folder is gone too
        pass
    print(GONE.format(fault), file=sys.stderr, flush=True)


def run_beside(call: Callable[[], int], main: Main) -> int:
    """Make a call with a server beside it, and end the server after it; returns what the call returns."""
    if not hasattr(os, "pidfd_open"):
        return call()
    with ExitStack() as stack:
        try:
            address = str(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warm-")), "socket"))
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(address)
            listener.listen()
            server = os.fork()
        except OSError as error:  # such as a TMPDIR with a long name, or no room for files, sockets or processes
            print(GONE.format(error.strerror or error), file=sys.stderr, flush=True)
            return call()
        if server == 0:
            _exit_after(partial(serve, listener, main))
        listener.close()  # else a client would wait for a server that has ended
        os.environ[ADDRESS] = address
        try:
            return call()
        finally:
            del os.environ[ADDRESS]
            os.kill(server, signal.SIGKILL)  # also where it was stopped
            os.waitpid(server, 0)


def serve(listener: socket.socket, main: Main) -> int:
    """Import the heavy libraries, then fork for every client; returns an exit code, 1 where imports fail."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the command and the cells; the server ends with them
    die_with_parent()  # also while it imports
    try:
        _import_all()
    except Exception as error:  # such as a package that is missing; a cell on its own says it better
        why = " ".join(f"{type(error).__name__}: {error}".split())
        Path(listener.getsockname() + WHY).write_text(why, encoding="utf-8")
        return 1
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies of the processes that watch the cells
    parent = os.getppid()
    listener.settimeout(POLL)
    while os.getppid() == parent:  # until the command's process is killed
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        with connection, suppress(OSError):  # no memory for a fork: the client finds the connection closed
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _exit_after(partial(_watch, connection, main))
    return 0


def _import_all() -> None:
    from pipeline.networks.device import choose_backend, import_keras, without_notices  # `ask` must start fast

    choose_backend()
    streams = sys.stdout, sys.stderr
    with without_notices():
        for name in HEAVY:
            import_keras() if name == "keras" else importlib.import_module(name)
    # DVC puts filters of colorama before them, which take what moves the cursor from bars where it finds no terminal
    sys.stdout, sys.stderr = streams
    gc.freeze()  # else every garbage collection in a cell scans all imported modules (0.3 s each)


def _watch(connection: socket.socket, main: Main) -> None:
    """Fork the cell, answer that it begins and with its exit code, and end it when the client is gone."""
    head, streams, _, _ = socket.recv_fds(connection, SIZE, 3)
    request = _receive(connection, int.from_bytes(head, "big"))
    with suppress(OSError):  # the client is gone, or there is no memory for a fork
        connection.sendall(BEGUN)
        code = _watched(connection, streams, json.loads(request), main)
        connection.sendall((code if code >= 0 else 128 - code).to_bytes(SIZE, "big"))


def _watched(connection: socket.socket, streams: list[int], request: dict[str, Any], main: Main) -> int:
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
    return os.waitstatus_to_exitcode(os.waitpid(cell, 0)[1])


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
