"""The warm process: a cell prints, returns and writes the same as on its own, also where the warm process fails."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial

import pytest

from pipeline.runner import warm
from pipeline.store.paths import Paths

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the warm process is for Linux")
ON_ITS_OWN = re.compile("on its own|on their own")
PIPELINE = f"{sys.executable} -m pipeline"


BESIDE = """
import os, signal, subprocess, sys
from pathlib import Path
from pipeline.cli import main
from pipeline.runner import warm
warm.HEAVY = ("json",)
write_pid = lambda: Path("server.pid").write_text(str(os.getpid()))
{}
sys.exit(warm.run_beside(lambda: subprocess.run(sys.argv[1:]).returncode, main))
"""


@pytest.fixture
def beside(repository, toy):
    """Run a line of shell beside a warm process that imports next to nothing, with some of its code replaced."""

    def run(line, replaced="", **options):
        code = BESIDE.format(replaced)
        environment = {**os.environ, "PYTHONPATH": str(repository)}
        command = [sys.executable, "-c", code, "bash", "-c", line]
        return subprocess.run(command, cwd=toy, env=environment, capture_output=True, text=True, timeout=120, **options)

    return run


def test_a_cell_runs_in_the_callers_folder_with_its_streams_and_exit_code(beside, toy):
    done = beside(f"{PIPELINE} split defect && {PIPELINE} split nowhere")
    assert done.stdout.startswith("split@defect: 48 images")
    assert done.returncode == 2 and "error: Stage 'split' takes a name" in done.stderr
    assert Paths(toy).target("defect").examples.exists()


def test_a_cell_leaves_the_same_bytes_as_on_its_own(beside, repository, toy):
    examples = Paths(toy).target("defect").examples
    assert beside(f"{PIPELINE} split defect").returncode == 0
    warmly = examples.read_bytes()
    subprocess.run(
        [sys.executable, "-m", "pipeline", "split", "defect"],
        cwd=toy,
        env={**os.environ, "PYTHONPATH": str(repository)},
        check=True,
    )
    assert examples.read_bytes() == warmly


def test_the_command_s_exit_code_is_returned(beside):
    assert beside("exit 7").returncode == 7


def test_without_a_warm_process_there_is_no_answer(monkeypatch, capsys):
    monkeypatch.delenv(warm.ADDRESS, raising=False)
    assert warm.ask(["check"]) is None and capsys.readouterr().err == ""


def test_an_address_without_a_warm_process_is_told(monkeypatch, capsys):
    monkeypatch.setenv(warm.ADDRESS, "/nowhere/socket")
    assert warm.ask(["check"]) is None
    assert "has ended (No such file or directory); cells run on their own" in capsys.readouterr().err


def test_a_warm_process_that_is_silent_is_told_once_and_never_waited_for_again(monkeypatch, capsys, tmp_path):
    address = str(tmp_path / "socket")
    monkeypatch.setenv(warm.ADDRESS, address)
    monkeypatch.setattr(warm, "PATIENCE", 0.3)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()  # and never accepts, as a process that was stopped
        assert warm.ask(["check"]) is None
        assert "has ended (no answer within 0.3 s); cells run on their own" in capsys.readouterr().err
        monkeypatch.setattr(warm, "PATIENCE", 600.0)
        assert warm.ask(["check"]) is None and capsys.readouterr().err == ""


@pytest.mark.parametrize("answer", [b"", warm.BEGUN, warm.BEGUN + b"\0\0"], ids=["none", "begun", "cut"])
def test_an_answer_that_is_cut_means_no_warm_process(monkeypatch, capsys, tmp_path, answer):
    address = str(tmp_path / "socket")
    monkeypatch.setenv(warm.ADDRESS, address)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()

        def server():
            connection, _ = listener.accept()
            with connection:
                warm._receive(connection, int.from_bytes(socket.recv_fds(connection, warm.SIZE, 3)[0], "big"))
                connection.sendall(answer)

        thread = threading.Thread(target=server)
        thread.start()
        assert warm.ask(["check"]) is None
        thread.join()
    assert capsys.readouterr().err.count("on its own" if answer else "on their own") == 1


DIES = {
    "a failing import": "warm.HEAVY = ('no_such_module',)",
    "killed while it imports": "warm.importlib.import_module = lambda name: os.kill(os.getpid(), signal.SIGKILL)",
    "killed before the fork of a cell": "warm._watch = lambda *_: os.kill(os.getpid(), signal.SIGKILL)",
    "killed while the cell runs": "warm._run = lambda *_: os.kill(os.getppid(), signal.SIGKILL)",
}


@pytest.mark.parametrize("replaced", DIES.values(), ids=DIES)
@pytest.mark.slow
def test_a_cell_runs_on_its_own_where_the_warm_process_fails(beside, toy, replaced):
    done = beside(f"{PIPELINE} split defect", replaced)
    assert done.returncode == 0 and done.stdout.startswith("split@defect: 48 images"), done.stderr
    assert len(ON_ITS_OWN.findall(done.stderr)) == 1 and "Traceback" not in done.stderr
    assert Paths(toy).target("defect").examples.exists()


def test_cells_after_the_end_of_the_warm_process_run_on_their_own(beside):
    line = f"{PIPELINE} split defect && kill -9 $(cat server.pid) && {PIPELINE} split defect"
    done = beside(line, "serve = warm.serve; warm.serve = lambda *given: (write_pid(), serve(*given))")
    assert done.returncode == 0 and done.stdout.count("split@defect: 48 images") == 2, done.stderr
    assert done.stderr.count("has ended (Connection refused); cells run on their own") == 1


@pytest.mark.slow
def test_cells_that_find_no_warm_process_say_it_once_and_why(beside):
    line = f"for name in defect kind square-defect; do {PIPELINE} split $name || exit; done"
    done = beside(line, "warm.HEAVY = ('no_such_module',)")
    assert done.returncode == 0 and done.stdout.count(" images") == 3, done.stderr
    why = "warm: the warm process has ended (ModuleNotFoundError: No module named 'no_such_module'); cells run on their"
    assert done.stderr.count(why) == 1 and done.stderr.count("\n") == 1


def test_a_run_whose_temporary_folder_has_a_long_name_goes_without(beside, tmp_path):
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    done = beside(f"{PIPELINE} split defect", f"os.environ['TMPDIR'] = {str(folder)!r}")
    assert done.returncode == 0 and done.stdout.startswith("split@defect: 48 images"), done.stderr
    assert done.stderr.count("has ended (AF_UNIX path too long); cells run on their own") == 1


@pytest.mark.parametrize("place", ["os.fork", "tempfile.mkdtemp", "socket.socket.listen"])
def test_a_run_that_cannot_have_a_warm_process_goes_without(monkeypatch, capsys, place):
    """No room for one more process, folder or socket."""

    def refused(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(place, refused)
    assert warm.run_beside(lambda: 7, lambda arguments: 0) == 7
    assert capsys.readouterr().err.count("(Resource temporarily unavailable); cells run on their own") == 1


def test_a_cell_that_is_killed_is_told_with_what_helps(beside):
    done = beside(f"{PIPELINE} split defect", "warm._run = lambda *_: os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == warm.KILLED
    assert "this cell was killed, most likely for lack of memory. Lower run.workers" in done.stderr


def test_ctrl_c_waits_for_a_cell_to_tidy_up():
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    tidied = threading.Event()

    def cell():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)
        tidied.set()
        theirs.sendall(bytes(warm.SIZE))

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ours, theirs:
            threading.Timer(0.2, cell).start()
            with pytest.raises(KeyboardInterrupt):
                warm._end(ours)
            assert tidied.is_set()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("shell", ["{}", "{}; true"], ids=["as it likes", "stays"])
def test_a_cell_ends_when_dvc_is_killed(repository, toy, shell):
    """From DVC by its shell to the client, and by the warm process to the cell: `kill -9` ends all of them."""
    code = BESIDE.format("import time; warm._run = lambda *_: (print(os.getpid(), flush=True), time.sleep(60))")
    dvc = "import os, subprocess as s, sys; print(os.getpid(), flush=True); os.environ['DVC_STAGE'] = 'split@defect'; "
    dvc = [sys.executable, "-c", dvc + "s.run(['sh', '-c', sys.argv[1]])", shell.format(f"{PIPELINE} split defect")]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *dvc],
        cwd=toy,
        env={**os.environ, "PYTHONPATH": str(repository)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    dvc_pid, cell_pid = (int(process.stdout.readline()) for _ in range(2))
    os.kill(cell_pid, 0)
    os.kill(dvc_pid, signal.SIGKILL)
    try:
        out, stderr = process.communicate(timeout=20)  # the pipes are held until the last of them has ended
    finally:
        process.kill()
    assert out == "" and "Traceback" not in stderr
    with pytest.raises(ProcessLookupError):
        os.kill(cell_pid, signal.SIGKILL)


def test_a_cell_ends_when_its_client_is_killed(tmp_path):
    """`kill -9` of `dvc repro` must not leave a stage at work."""
    import json
    import socket
    from unittest import mock

    pid_file = tmp_path / "pid"

    def long_cell(request, main):
        pid_file.write_text(str(os.getpid()))
        time.sleep(60)

    ours, theirs = socket.socketpair(socket.AF_UNIX)
    request = json.dumps({"arguments": [], "folder": str(tmp_path), "environment": {}}).encode()
    socket.send_fds(ours, [len(request).to_bytes(warm.SIZE, "big")], [0, 1, 2])
    ours.sendall(request)
    with mock.patch.object(warm, "_run", long_cell):
        watcher = os.fork()
        if watcher == 0:
            ours.close()
            warm._exit_after(partial(warm._watch, theirs, None))
    theirs.close()
    while not (pid_file.exists() and pid_file.read_text()):
        time.sleep(0.01)
    ours.close()
    os.waitpid(watcher, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), signal.SIGTERM)


def test_imports_put_no_filter_before_the_streams(monkeypatch, tmp_path):
    """Those of colorama, which DVC imports, would take the codes that move the cursor from a cell's bars."""
    (tmp_path / "filters.py").write_text("import io, sys\nsys.stdout = sys.stderr = io.StringIO()")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(warm, "HEAVY", ("filters",))
    monkeypatch.setattr(warm.gc, "freeze", lambda: None)
    streams = sys.stdout, sys.stderr
    warm._import_all()
    assert (sys.stdout, sys.stderr) == streams
