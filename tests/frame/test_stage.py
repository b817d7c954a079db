"""The stage runner: one process a cell, named by its pid; an end with the parent; cells by name."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.frame.errors import InputError
from pipeline.frame.params import load_params
from pipeline.frame.stage import check_cell, locked

HOLD = """
import sys, time
from pathlib import Path
from pipeline.frame.stage import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
# a parent that starts a child, which asks to end with it
FAMILY = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", '''
import time
from pipeline.frame.stage import die_with_parent
die_with_parent()
print("ready", flush=True)
time.sleep(60)
'''], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""


def started(repository, code, *arguments):
    environment = os.environ | {"PYTHONPATH": str(repository)}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True, env=environment
    )


def test_a_lock_that_is_held_is_refused_by_the_pid_of_its_holder(repository, tmp_path):
    path = tmp_path / "locks" / "tune@cells.lock"
    holder = started(repository, HOLD, path)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"tune@cells is being made by process {holder.pid}"), locked(path):
            pass
        holder.kill()  # as kill -9: nothing of the holder's runs any more
        holder.wait()
        with locked(path):
            assert path.read_text() == str(os.getpid())
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_a_lock_is_free_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), locked(tmp_path / "a.lock"):
        raise RuntimeError
    with locked(tmp_path / "a.lock"):
        pass


def test_locks_of_other_cells_do_not_matter(tmp_path):
    with locked(tmp_path / "a.lock"), locked(tmp_path / "b.lock"):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's own")
def test_a_stage_ends_when_its_parent_is_killed(repository):
    parent = started(repository, FAMILY)
    child = int(parent.stdout.readline())
    assert alive(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    if survived := alive(child):
        os.kill(child, signal.SIGKILL)
    assert not survived


def alive(pid):
    """Whether a process runs: one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def params(repository):
    return load_params(repository / "params.yaml")


@pytest.mark.parametrize(
    ("stage", "name", "message"),
    [
        ("splitt", "cell-defect", "No stage 'splitt'. Stages: ingest, validate, split"),
        ("split", "cells", r"takes a name from `targets` of params.yaml \(cell-defect, .*\), received 'cells'"),
        ("split", None, "received None"),
        ("report", "all", "takes no name, received 'all'"),
    ],
)
def test_an_unknown_cell_is_refused_with_those_there_are(params, stage, name, message):
    with pytest.raises(InputError, match=message):
        check_cell(stage, name, params)


def test_a_known_cell_is_named(params):
    assert check_cell("split", "cell-defect", params) == "cell-defect"
    assert check_cell("report", None, params) == ""
