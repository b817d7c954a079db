"""The doctor: every finding under its own name, by what really leaves it behind, and nothing changed by looking."""

import os
import subprocess
import sys

import pytest

from pipeline.commands import doctor
from pipeline.runner.stage import locked
from pipeline.store.errors import InputError
from pipeline.store.files import write_text
from pipeline.store.paths import Paths

LOCK = """schema: '2.0'
stages:
  split@defect:
    cmd: python -m pipeline split defect
    deps:
    - path: data/datasets/toy
      hash: md5
      md5: 447f9b83c78aa15545df255bcd55b35d.dir
      size: 2599
    outs:
    - path: data/targets/defect
      hash: md5
      md5: 31b7931b53de5125a86158d376acc7e5.dir
      size: 59163
"""
# DVC at work: it holds its own lock, and reads one path and writes another
DVC = """
import sys, time
from dvc.fs import localfs
from dvc.lock import make_lock
from dvc.rwlock import rwlock
hardlink = sys.argv[1] == "hardlink"
with make_lock(".dvc/tmp/lock", tmp_dir=".dvc/tmp", hardlink_lock=hardlink):
    with rwlock(".dvc/tmp", localfs, "dvc repro", ["/data/read"], ["/data/written"], hardlink):
        print("at work", flush=True)
        time.sleep(600)
"""


@pytest.fixture
def toy(toy):
    (toy / ".dvc" / "tmp").mkdir(parents=True)
    return toy


@pytest.fixture
def at_work(toy):
    processes = []

    def start(kind="file"):
        process = subprocess.Popen([sys.executable, "-c", DVC, kind], cwd=toy, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "at work\n"
        return process

    yield start
    for process in processes:
        kill(process)
        process.stdout.close()


def kill(process):
    process.kill()
    process.wait()


def findings(root):
    """The lines of the doctor's message, without the count."""
    before = content(root)
    with pytest.raises(InputError) as caught:
        doctor.examine(root)
    assert content(root) == before
    count, *lines = str(caught.value).splitlines()
    assert count == f"doctor has {len(lines)} finding{'s' if len(lines) > 1 else ''}:"
    return lines


def content(root):
    return {path: path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


def test_a_workspace_in_order_has_one_line(toy):
    write_text(toy / "dvc.lock", LOCK)
    before = content(toy)
    assert doctor.examine(toy).startswith("doctor: all is in order (dvc.lock, ")
    assert content(toy) == before


def test_before_the_first_run_all_is_in_order(tmp_path):
    assert doctor.examine(tmp_path).startswith("doctor: all is in order")


def test_the_committed_lock_of_dvc_is_in_order(repository):
    assert list(doctor.dvc_lock(Paths(repository))) == []


def test_conflict_markers_in_dvc_lock(toy):
    ours, theirs = LOCK.replace("447f", "aaaa"), LOCK.replace("447f", "bbbb")
    write_text(toy / "dvc.lock", f"<<<<<<< HEAD\n{ours}=======\n{theirs}>>>>>>> other\n")
    (line,) = findings(toy)
    assert "dvc.lock:1 has conflict markers" in line and "git checkout --ours dvc.lock" in line


@pytest.mark.parametrize("cut", [0, 7, 13, 21, 40, 90, 150, 220, 260, 300, len(LOCK) - 6, len(LOCK) - 1])
def test_truncated_dvc_lock(toy, cut):
    write_text(toy / "dvc.lock", LOCK[:cut])
    (line,) = findings(toy)
    assert "dvc.lock is truncated or damaged: " in line and "git checkout -- dvc.lock" in line


@pytest.mark.parametrize("damage", [b"\x00" * 400, b"\xff\xfe schema", b"stages: [1, 2]\n", b"stages: {a: 1}\n"])
def test_damaged_dvc_lock(toy, damage):
    (toy / "dvc.lock").write_bytes(damage)
    (line,) = findings(toy)
    assert "dvc.lock is truncated or damaged: " in line


def test_locks_of_a_dvc_at_work_and_of_one_that_was_killed(toy, at_work):
    dvc = at_work()
    lock, read_and_written = findings(toy)
    assert f"lock is held by process {dvc.pid}. Wait for it, or end it with `kill {dvc.pid}`" in lock
    assert f"rwlock is held by process {dvc.pid}." in read_and_written
    kill(dvc)  # its own lock is freed by the system, its list stays
    (stale,) = findings(toy)
    assert f"rwlock is stale: its process {dvc.pid} has ended. Delete it with `rm " in stale
    (toy / ".dvc" / "tmp" / "rwlock").unlink()
    doctor.examine(toy)


def test_a_lock_by_hard_link_stays_when_dvc_is_killed(toy, at_work):
    kill(at_work("hardlink"))
    lock, _ = findings(toy)
    assert "lock is held, or stale if no `dvc` runs (`pgrep -fa dvc`): then delete it with `rm " in lock


@pytest.mark.parametrize("text", ["", '{"write": {', "[]", '{"write": {"a": 1}}', '{"read": {"a": [{}]}}'])
def test_damaged_list_of_readers_and_writers(toy, text):
    write_text(toy / ".dvc" / "tmp" / "rwlock", text)
    (line,) = findings(toy)
    assert "rwlock is damaged, and DVC stops at it. Delete it" in line


def test_a_cell_that_is_being_made(toy):
    with locked(Paths(toy).lock("tune", "to-defect")):
        (line,) = findings(toy)
    assert f"tune@to-defect is being made by process {os.getpid()}. Wait for it" in line
    doctor.examine(toy)  # what is left of the lock holds nobody up


def test_stumps_of_a_killed_run(toy):
    stumps = [toy / "data" / "targets" / ".defect.abc.tmp", toy / "models" / "head" / ".to-defect.abc.tmp"]
    for stump in stumps:
        (stump / "deep").mkdir(parents=True)
    files = [toy / "data" / "clocks" / "tune" / ".to-defect.json.17.tmp", toy / "reports" / ".metrics.json.17.tmp"]
    for file in [*files, toy / ".params.yaml.17.tmp"]:
        write_text(file, "{")
    lines = findings(toy)
    assert len(lines) == 5
    for stump in [*stumps, *files]:
        assert any(
            f"{stump} was left by a run that was killed. Delete it with `rm -r '{stump}'`" in line for line in lines
        )
    with locked(Paths(toy).lock("tune", "to-defect")):  # they may be its own
        assert not [line for line in findings(toy) if "was left" in line]


def test_an_out_that_does_not_match_its_seal(toy):
    images = Paths(toy).dataset("toy").images
    with images.open("r+b") as file:
        file.seek(500)
        file.write(b"\x00\xff\x00")
    (line,) = findings(toy)
    assert f"{images} is damaged: sha256" in line and f"Delete {images.parent} and run `dvc repro`" in line


def test_an_out_that_was_never_finished(toy):
    Paths(toy).arm("rescale", "cells").folder.mkdir(parents=True)
    (line,) = findings(toy)
    assert "cells is absent or was never finished" in line


def test_all_findings_are_told_at_once(toy):
    write_text(toy / "dvc.lock", "stages")
    write_text(toy / ".dvc" / "tmp" / "rwlock", "{")
    (Paths(toy).dataset("toy").manifest).unlink()
    assert len(findings(toy)) == 3
