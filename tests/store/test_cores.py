"""Cores are held by one process at a time, and free again however their holder ends."""

import os
import subprocess
import sys
import time

import pytest

from pipeline.store import cores

HOLD = """
import sys, time
from pipeline.store.cores import one_core
with one_core():
    print("holding", flush=True)
    time.sleep(float(sys.argv[1]))
"""


@pytest.fixture
def tokens(tmp_path, monkeypatch):
    monkeypatch.setenv(cores.FOLDER, str(tmp_path))
    monkeypatch.delenv(cores.OWN, raising=False)
    return cores.make_tokens(tmp_path, 2)


def holder(repository, seconds, **environment):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(seconds)],
        env=os.environ | {"PYTHONPATH": str(repository)} | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "holding\n"
    return process


def test_without_a_scheduler_a_process_waits_for_nothing(monkeypatch):
    monkeypatch.delenv(cores.FOLDER, raising=False)
    with cores.one_core(), cores.one_core():
        pass


def test_two_cores_are_held_by_two(tokens, repository):
    first, second = holder(repository, 60), holder(repository, 60)
    start = time.monotonic()
    first.kill()
    with cores.one_core():
        assert time.monotonic() - start < 5
    second.kill()


def test_who_comes_third_waits(tokens, repository):
    first, second = holder(repository, 1), holder(repository, 1)
    start = time.monotonic()
    with cores.one_core():
        assert first.poll() is not None or second.poll() is not None or time.monotonic() - start > 0.3
    for process in (first, second):
        process.wait()


def test_a_cell_uses_the_core_that_is_held_for_it(tokens, repository, monkeypatch):
    with cores.hold_one([tokens[0]]), cores.hold_one([tokens[1]]):  # the scheduler, for two cells
        own = holder(repository, 60, **{cores.OWN: "core0"})
        monkeypatch.setenv(cores.OWN, "core1")
        with cores.one_core():
            pass
        own.kill()


def test_a_cell_s_own_core_comes_first(tokens, monkeypatch):
    monkeypatch.setenv(cores.OWN, "core1")
    with cores.hold_one([tokens[1]]), cores.one_core():
        assert cores.free_cores() == 1


def test_free_cores_are_those_that_nobody_holds(tokens, monkeypatch):
    assert cores.free_cores() == 2
    with cores.hold_one(tokens):
        assert cores.free_cores() == 1
    monkeypatch.delenv(cores.FOLDER)
    assert cores.free_cores() == cores.MANY


def test_no_more_than_all_cores_are_held(tokens, monkeypatch):
    monkeypatch.setenv(cores.OWN, "core0")
    monkeypatch.setattr(cores.time, "sleep", lambda _: pytest.fail("waits"))
    with cores.hold_one([tokens[0]]), cores.one_core(), cores.one_core(), pytest.raises(pytest.fail.Exception):
        cores.one_core().__enter__()
