"""The stage runner: one process a cell, named by its pid; an end with the parent; cells by name."""

import os
import subprocess
import sys

import pytest

from pipeline.config.loading import load_params
from pipeline.runner.stage import check_cell, locked
from pipeline.store.errors import InputError

HOLD = """
import sys, time
from pathlib import Path
from pipeline.runner.stage import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
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


@pytest.fixture(scope="module")
def params(params_file):
    return load_params(params_file)


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
