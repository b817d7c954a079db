"""The doctor: every finding under its own name, by what really leaves it behind, and nothing changed by looking."""

import pytest
from dvc.fs import localfs
from dvc.rwlock import rwlock

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


@pytest.fixture
def toy(toy):
    (toy / ".dvc" / "tmp").mkdir(parents=True)
    return toy


def findings(root):
    """The lines of the doctor's message, without the count."""
    before = content(root)
    with pytest.raises(InputError) as caught:
        doctor.examine(root)
    assert content(root) == before
    count, *lines = str(caught.value).splitlines()
    assert count == f"doctor found {len(lines)} to repair:"
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


@pytest.mark.parametrize("text", ["", '{"write": {', "[]", '{"write": {"a": 1}}', '{"read": {"a": [{}]}}'])
def test_damaged_list_of_readers_and_writers(toy, text):
    write_text(toy / ".dvc" / "tmp" / "rwlock", text)
    (line,) = findings(toy)
    assert "rwlock is damaged, and DVC stops at it. `python -m pipeline repro` deletes it" in line


def test_the_list_of_a_dvc_that_is_at_work_is_in_order(toy):
    with rwlock(str(toy / ".dvc" / "tmp"), localfs, "dvc repro", ["/data/read"], ["/data/written"], False):
        assert doctor.examine(toy).startswith("doctor: all is in order")


def test_temporary_files_of_a_killed_run(toy):
    folders = [toy / "data" / "targets" / ".defect.abc.tmp", toy / "models" / "heads" / ".to-defect.abc.tmp"]
    for folder in folders:
        (folder / "deep").mkdir(parents=True)
    files = [toy / "data" / "clocks" / "tune" / ".to-defect.json.17.tmp", toy / "reports" / ".metrics.json.17.tmp"]
    for file in [*files, toy / ".params.yaml.17.tmp"]:
        write_text(file, "{")
    lines = findings(toy)
    assert len(lines) == 5
    for path in [*folders, *files]:
        message = f"{path} was left by a run that was killed. Delete it with `rm -r '{path}'`"
        assert any(message in line for line in lines)


def test_temporary_files_are_no_finding_while_a_stage_runs(toy):
    (toy / "data" / "targets" / ".defect.abc.tmp").mkdir(parents=True)
    with locked(Paths(toy).lock("tune", "to-defect")):  # it may be its own
        doctor.examine(toy)
    assert len(findings(toy)) == 1


def test_an_out_that_does_not_match_its_seal(toy):
    images = Paths(toy).dataset("toy").images
    with images.open("r+b") as file:
        file.seek(500)
        file.write(b"\x00\xff\x00")
    (line,) = findings(toy)
    assert f"{images} is damaged: sha256" in line and f"Delete {images.parent} and run `dvc repro`" in line


def test_an_out_that_was_never_finished(toy):
    Paths(toy).trained("rescaled", "cells").folder.mkdir(parents=True)
    (line,) = findings(toy)
    assert "cells is absent or was never finished" in line


def test_all_findings_are_told_at_once(toy):
    write_text(toy / "dvc.lock", "stages")
    write_text(toy / ".dvc" / "tmp" / "rwlock", "{")
    (Paths(toy).dataset("toy").manifest).unlink()
    assert len(findings(toy)) == 3
