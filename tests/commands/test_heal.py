"""What `kill -9` leaves behind is healed before the next run, and only where no process is at work."""

import os
import subprocess
import sys

import pytest
from dvc.lock import make_lock
from test_doctor import LOCK

from pipeline.commands import doctor
from pipeline.commands.heal import sole_run
from pipeline.runner.stage import locked
from pipeline.store.errors import InputError
from pipeline.store.files import write_text
from pipeline.store.kept import Store
from pipeline.store.paths import Paths
from pipeline.store.yaml import read_yaml

SECOND = LOCK.partition("stages:\n")[2].replace("defect", "kind")
CUTS = ["", '{"write": {', '{"write": {"a": {"pid": 1', '{"read": {"a": [{}]}}', "\0" * 99]


@pytest.fixture
def workspace(toy):
    write_text(toy / ".dvc" / "config", "[core]\n    no_scm = true\n")
    (toy / ".dvc" / "tmp").mkdir()
    return Paths(toy)


def healed(paths):
    with sole_run(paths) as line:
        return line


def test_a_workspace_in_order_is_left_alone(workspace):
    write_text(workspace.dvc_lock, LOCK)
    assert healed(workspace) == "" and workspace.dvc_lock.read_text() == LOCK


@pytest.mark.parametrize("text", CUTS)
def test_dvc_s_list_of_processes_is_deleted_where_it_is_cut(workspace, text):
    file = workspace.dvc_tmp / "rwlock"
    write_text(file, text)
    assert healed(workspace).startswith("healed after a killed run: ") and not file.exists()


def test_it_is_deleted_where_its_processes_have_ended_or_their_numbers_are_other_programs_now(workspace):
    file = workspace.dvc_tmp / "rwlock"
    with subprocess.Popen(["sleep", "60"]) as other:
        write_text(file, f'{{"write": {{"/data": {{"pid": {other.pid}, "cmd": "dvc repro"}}}}}}')
        assert "they have ended" in healed(workspace) and not file.exists()
        other.kill()


def test_the_list_of_a_dvc_that_is_at_work_is_left_alone(workspace):
    file, tmp = workspace.dvc_tmp / "rwlock", str(workspace.dvc_tmp)
    work = "import sys; from dvc.fs import localfs; from dvc.rwlock import rwlock\n"
    work += f"with rwlock({tmp!r}, localfs, 'dvc repro', ['/read'], ['/written'], False): print(flush=True), input()"
    process = subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    before = file.read_text()
    assert healed(workspace) == "" and file.read_text() == before
    process.communicate(b"\n")
    assert process.returncode == 0


@pytest.mark.parametrize("who", ["DVC", "a stage"])
def test_nothing_is_healed_while_a_process_is_at_work(workspace, who):
    rwlock_file, remains = workspace.dvc_tmp / "rwlock", workspace.root / ".params.yaml.17.tmp"
    write_text(rwlock_file, "{")
    write_text(workspace.dvc_lock, LOCK[:-9])
    write_text(remains, "")
    dvc = make_lock(str(workspace.dvc_tmp / "lock"), tmp_dir=str(workspace.dvc_tmp))
    with dvc if who == "DVC" else locked(workspace.lock("tune", "to-defect")):
        healed(workspace)
        assert rwlock_file.exists() and workspace.dvc_lock.read_text() == LOCK[:-9]
        assert remains.exists() == (who == "a stage"), "DVC itself writes no such files"
    healed(workspace)
    assert not rwlock_file.exists() and not remains.exists()


@pytest.mark.parametrize("cut", [3, 200, len(SECOND) - 20])
def test_of_a_dvc_lock_that_is_cut_the_whole_entries_stay(workspace, cut):
    write_text(workspace.dvc_lock, LOCK + SECOND[:cut])
    assert "dvc.lock was cut, 1 entries of it kept" in healed(workspace)
    assert workspace.dvc_lock.read_text() == LOCK
    assert list(doctor.dvc_lock(workspace)) == [] and list(read_yaml(workspace.dvc_lock)["stages"]) == ["split@defect"]


@pytest.mark.parametrize("text", ["", "schema: '2", LOCK[:90], "\0" * 400])
def test_a_dvc_lock_without_a_whole_entry_is_deleted(workspace, text):
    write_text(workspace.dvc_lock, text)
    assert "0 entries of it kept" in healed(workspace) and not workspace.dvc_lock.exists()


def test_conflict_markers_are_for_the_user_to_resolve(workspace):
    text = f"<<<<<<< HEAD\n{LOCK}=======\n{LOCK}>>>>>>> other\n"
    write_text(workspace.dvc_lock, text)
    with pytest.raises(InputError, match=r"dvc\.lock:1 has conflict markers.*git checkout --ours"):
        healed(workspace)
    assert workspace.dvc_lock.read_text() == text


def test_temporary_files_and_folders_are_deleted_everywhere(workspace):
    root = workspace.root
    stored = Store(workspace.store).make("aa" * 32, lambda folder: write_text(folder / "content", "kept"))
    folders = [root / "data" / "targets" / ".defect.abc.tmp", stored.with_name(".aa.x.tmp")]
    for folder in folders:
        (folder / "deep").mkdir(parents=True)
    write_text(root / "data" / "clocks" / "tune" / ".to-defect.json.17.tmp", "{")
    assert "2 temporary files and folders deleted" in healed(workspace)
    assert not list(root.rglob(".*.tmp")) and (stored / "content").exists()


def test_a_second_run_is_refused_by_the_number_of_the_first(workspace, monkeypatch):
    monkeypatch.setattr("pipeline.commands.heal.PATIENCE", 0.3)
    message = f"repro is being run by process {os.getpid()}.*end it with `kill"
    with locked(workspace.run_lock), pytest.raises(InputError, match=message):
        healed(workspace)


def test_a_run_waits_for_the_end_of_the_processes_of_a_killed_one(workspace):
    """They are forks of it and hold its lock; the next run must not begin beside them."""
    hold = "import sys, time; from pathlib import Path; from pipeline.runner.stage import locked\n"
    hold += "with locked(Path(sys.argv[1])): print('', flush=True), time.sleep(1)"
    process = subprocess.Popen([sys.executable, "-c", hold, str(workspace.run_lock)], stdout=subprocess.PIPE)
    process.stdout.readline()
    assert healed(workspace) == "" and process.wait() == 0
