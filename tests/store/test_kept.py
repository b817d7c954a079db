"""The store: an entry is whole or absent, what was not used for longest goes first, and nothing that is in use goes."""

import os
import subprocess
import sys

import pytest

from pipeline.store.files import write_text
from pipeline.store.kept import Store

KEYS = [f"{number:02d}" + "a" * 62 for number in range(4)]


def content(text):
    """What fills an entry."""
    return lambda folder: write_text(folder / "content", text)


def fail(folder):
    write_text(folder / "content", "half")
    raise ZeroDivisionError


@pytest.fixture
def store(tmp_path):
    """Four entries of about 1 kB; the first was used last."""
    store = Store(tmp_path / ".store")
    for age, key in enumerate(KEYS):
        store.make(key, content("x" * 1000))
        os.utime(store.entry(key), (1000 - age, 1000 - age))
    return store


def test_an_entry_is_there_once_it_is_whole(tmp_path):
    store = Store(tmp_path / "store")
    assert not store.has(KEYS[0]) and store.entries() == [] and store.prune(0) == []
    with pytest.raises(ZeroDivisionError):
        store.make(KEYS[0], fail)
    assert not store.has(KEYS[0])
    assert store.make(KEYS[0], content("whole")) == store.entry(KEYS[0])
    assert store.make(KEYS[0], fail) == store.entry(KEYS[0])  # which is there
    assert store.has(KEYS[0]) and [entry.folder for entry in store.entries()] == [store.entry(KEYS[0])]


def test_a_damaged_entry_is_not_there(store):
    (store.entry(KEYS[0]) / "content").write_text("y" * 1000)
    assert not store.has(KEYS[0]) and store.has(KEYS[1])


def test_the_least_recently_used_go_first(store):
    size = store.entries()[0].size
    assert [entry.folder.name for entry in store.prune(2.5 * size)] == [KEYS[3], KEYS[2]]
    assert store.has(KEYS[1])  # which counts as a use
    assert [entry.folder.name for entry in store.prune(1.5 * size)] == [KEYS[0]]
    assert [entry.folder.name for entry in store.prune(0)] == [KEYS[1]]


def test_processes_that_want_the_same_entry_wait_for_the_first(tmp_path, repository):
    """Profiles have transfers with the same features, which are extracted at the same time."""
    code = """
import sys, time
from pathlib import Path
from pipeline.store.kept import Store
def write(folder):
    with open(sys.argv[2], "a") as log:
        log.write("written ")
    time.sleep(1)
    (folder / "content").write_text("whole")
Store(Path(sys.argv[1])).make("ab" + "0" * 62, write)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "store"), str(tmp_path / "log")]
    environment = os.environ | {"PYTHONPATH": str(repository)}
    processes = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert (tmp_path / "log").read_text() == "written "
    assert Store(tmp_path / "store").has("ab" + "0" * 62)


def test_remains_of_a_killed_process_go_with_the_next_pruning(store):
    remains = store.folder / "ab" / ".key.x.tmp"
    remains.mkdir(parents=True)
    store.prune(10**9)
    assert not remains.exists() and len(store.entries()) == 4


def test_what_fits_stays(store):
    assert store.prune(10**9) == [] and len(store.entries()) == 4


USING = """
import sys
from pathlib import Path
from pipeline.store.kept import Store
with Store(Path(sys.argv[1])).in_use():
    print("begun", flush=True)
    sys.stdin.read()
"""


def test_nothing_is_deleted_while_another_process_uses_the_store(store, repository):
    command = [sys.executable, "-c", USING, str(store.folder)]
    environment = os.environ | {"PYTHONPATH": str(repository)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        assert process.stdout.readline() == "begun\n"
        assert store.prune(0) == [] and len(store.entries()) == 4
        process.communicate("")
    assert len(store.prune(0)) == 4
