"""Independent stages run at the same time, each after those that it reads from; DVC ends up where it would alone."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from pipeline.runner import reproduce

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="stages run one after another here")
KILLS = 5
DIAMOND = {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"b", "c"}, "alone": set()}


@pytest.fixture
def record(tmp_path):
    """A `run` that notes when a stage began and ended; those in `fails` fail. `spans`: name -> both."""

    class Record:
        fails = ()

        def run(self, name):
            begun = time.monotonic()
            time.sleep(3.0 if name == "slow" else 0.5)  # on a busy machine a fork takes its time
            (tmp_path / name).write_text(f"{begun} {time.monotonic()}")
            if name in self.fails:
                sys.exit(7)

        @property
        def spans(self):
            spans = {file.name: tuple(map(float, file.read_text().split())) for file in tmp_path.iterdir()}
            return dict(sorted(spans.items(), key=lambda item: item[1]))

    return Record()


def test_a_stage_waits_for_what_it_reads(record):
    assert reproduce.run_all(DIAMOND, set(DIAMOND), 2, record.run) == 0
    spans = record.spans
    assert set(spans) == set(DIAMOND)
    assert all(spans[name][0] >= spans[read][1] for name, needed in DIAMOND.items() for read in needed)


def test_as_many_run_at_once_as_there_are_workers(record):
    names = [str(number) for number in range(9)]
    reproduce.run_all({name: set() for name in names}, set(names), 3, record.run)
    spans = record.spans.values()
    at_once = [sum(begun <= moment < ended for begun, ended in spans) for moment, _ in spans]
    assert max(at_once) == 3


def test_what_has_most_work_behind_it_begins_first(record):
    reproduce.run_all(DIAMOND, set(DIAMOND), 1, record.run)
    assert next(iter(record.spans)) == "a"


def test_after_a_failure_nothing_more_begins(record):
    record.fails = ("a",)
    assert reproduce.run_all({"a": set(), "b": {"a"}, "c": set()}, {"a", "b", "c"}, 1, record.run) == 7
    assert list(record.spans) == ["a"]


def test_what_runs_beside_a_failure_is_waited_for(record):
    record.fails = ("a",)
    graph = {"a": set(), "slow": set(), "after": {"slow"}}
    assert reproduce.run_all(graph, set(graph), 2, record.run) == 7
    assert set(record.spans) == {"a", "slow"}


def test_a_stage_whose_process_is_killed_is_told(record, capfd):
    assert reproduce.run_all({"a": set()}, {"a"}, 1, lambda name: os.kill(os.getpid(), signal.SIGKILL)) == 128 + 9
    assert "ERROR: 'a' was ended by signal 9. Run the same command to go on." in capfd.readouterr().err


def test_only_stale_stages_run(record):
    assert reproduce.run_all(DIAMOND, {"c", "d"}, 2, record.run) == 0
    assert list(record.spans) == ["c", "d"]


def test_what_reads_from_a_stale_stage_is_stale():
    assert reproduce.with_readers(DIAMOND, ["b"]) == {"b", "d"}
    assert reproduce.with_readers(DIAMOND, ["nowhere"]) == set()


def test_work_to_the_end_is_that_of_the_most_costly_chain():
    graph = {"a": set(), "b": {"a"}, "c": {"b"}, "d": {"a", "c"}, "scratch@x": set(), "e": {"scratch@x", "d"}}
    work = {"a": 5, "b": 4, "c": 3, "d": 2, "e": 1, "scratch@x": 1 + reproduce.COSTS["scratch"]}
    assert reproduce.work_to_the_end(graph) == work


# ---- under DVC -------------------------------------------------------------------------------------------------------

DVC_YAML = """
stages:
  first: {cmd: "sleep 1 && cp word first && echo x >> log", deps: [word], outs: [first]}
  second: {cmd: "sleep 1 && echo 2 > second && echo x >> log", outs: [second]}
  third: {cmd: "cat first second > third && echo x >> log", deps: [first, second], outs: [third]}
"""
COPYING = """
stages:
  code: {cmd: "cat words | tr -d '#' > copy && echo code >> log", deps: [words], outs: [copy]}
  trained: {cmd: "cp copy trained && echo trained >> log", deps: [copy], outs: [trained]}
"""
CODE = "import sys; from pipeline.runner.reproduce import reproduce; sys.exit(reproduce(*map(int, sys.argv[1:])))"


@pytest.fixture
def workspace(tmp_path, repository):
    """A small pipeline, and a function that reproduces it: (workers, force, run_cache) -> the finished process."""
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / "word").write_text("1\n")

    def run(*arguments):
        command = [sys.executable, "-c", CODE, *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": str(repository)}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)

    return tmp_path, run


def up_to_date(folder):
    status = [sys.executable, "-m", "dvc", "status"]
    return "up to date" in subprocess.run(status, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.slow
def test_dvc_ends_up_where_it_would_alone(workspace, workers, tmp_path_factory):
    folder, run = workspace
    assert run(workers).returncode == 0 and run(workers).returncode == 0
    assert (folder / "third").read_text() == "1\n2\n"
    assert (folder / "log").read_text().count("x") == 3
    assert up_to_date(folder)
    alone = tmp_path_factory.mktemp("alone") / "copy"
    shutil.copytree(folder, alone)
    shutil.rmtree(alone / ".dvc" / "cache")
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q", "-f"], cwd=alone, check=True)
    locks = [sorted((place / "dvc.lock").read_text().splitlines()) for place in (alone, folder)]
    assert locks[0] == locks[1]


@pytest.mark.slow
def test_an_earlier_result_comes_from_the_run_cache(workspace):
    folder, run = workspace
    for word in ("1\n", "other\n", "1\n"):
        (folder / "word").write_text(word)
        assert run(2).returncode == 0
        assert (folder / "third").read_text() == f"{word}2\n"
    assert (folder / "log").read_text().count("x") == 3 + 2
    assert run(2, 0, 0).returncode == 0 and (folder / "log").read_text().count("x") == 5
    assert run(2, 1, 0).returncode == 0 and (folder / "log").read_text().count("x") == 8


@pytest.mark.slow
def test_a_stage_that_fails_is_told_and_its_readers_do_not_run(workspace):
    folder, run = workspace
    (folder / "word").unlink()
    (folder / "word").mkdir()  # cp refuses a folder
    done = run(2)
    assert done.returncode == reproduce.FAILED
    assert "ERROR: failed to reproduce 'first'" in done.stderr and "Traceback" not in done.stderr
    assert not (folder / "third").exists()
    (folder / "word").rmdir()
    (folder / "word").write_text("1\n")
    assert run(2).returncode == 0 and up_to_date(folder)
    assert (folder / "log").read_text().count("x") == 3  # the second stage was kept


@pytest.mark.slow
def test_copies_of_the_code_are_made_before_it_is_known_what_is_stale(workspace):
    folder, run = workspace
    (folder / "dvc.yaml").write_text(COPYING)
    for words, ran in (("x\n", "code trained"), ("x#\n", "code"), ("y\n", "code trained")):
        (folder / "words").write_text(words)
        (folder / "log").unlink(missing_ok=True)
        done = run(2)
        assert done.returncode == 0 and (folder / "log").read_text().split() == ran.split()
        assert ("up to date" in done.stdout) == (ran == "code")
    assert up_to_date(folder)


INTERRUPTED = """
import sys
from pipeline.runner.reproduce import reproduce
try:
    reproduce(2)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("moment", range(3))  # DVC writes its own files, dvc.lock too, in place: none may be cut
@pytest.mark.slow
def test_ctrl_c_ends_all_without_a_traceback_and_the_next_run_goes_on(workspace, repository, moment):
    folder, run = workspace
    (folder / "dvc.yaml").write_text(DVC_YAML.replace("sleep 1 && echo 2", "touch begun && sleep 60 && echo 2"))
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(repository)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (folder / "first").exists() or not (folder / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(moment * 0.03)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (130, ""), "the command says it in a line of its own"
    (folder / "dvc.yaml").write_text(DVC_YAML)
    again = run(2)
    assert (again.returncode, again.stderr) == (0, "") and up_to_date(folder)


KILLED = """
import sys
from pipeline.commands.heal import sole_run
from pipeline.runner.reproduce import reproduce
from pipeline.store.paths import Paths
with sole_run(Paths()):
    sys.exit(reproduce(2))
"""


@pytest.mark.slow
def test_kill_9_at_random_moments_and_the_next_run_ends_as_an_undisturbed_one(workspace, repository):
    """All processes of a run, or the command's alone; benchmarks/chaos.py does it to `make smoke`."""
    folder, _ = workspace
    rng = np.random.default_rng(4)

    def start():
        environment = os.environ | {"PYTHONPATH": str(repository)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        code = [sys.executable, "-c", KILLED]
        return subprocess.Popen(code, cwd=folder, env=environment, text=True, start_new_session=True, **pipes)

    for number in range(KILLS):
        process = start()
        time.sleep(rng.uniform(0.5, 5))
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for member in family if number % 2 else family[:1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        process.communicate(timeout=60)
        psutil.wait_procs(family, timeout=60)
    last = start()
    out, stderr = last.communicate(timeout=120)
    assert last.returncode == 0, out + stderr
    assert (folder / "third").read_text() == "1\n2\n" and up_to_date(folder)
