"""The store: an entry is whole or absent, what was not used for longest goes first, and nothing that is in use goes."""

import os
import subprocess
import sys

import pytest

from pipeline.store.files import write_text
from pipeline.store.kept import Store

KEYS = [f"{number:02d}" + "a" * 62 for number in range(4)]


@pytest.fixture
def store(tmp_path):
    """Four entries of about 1 kB; the first was used last."""
    store = Store(tmp_path / ".store")
    for age, key in enumerate(KEYS):
        with store.writing(key) as folder:
            write_text(folder / "content", "x" * 1000)
        os.utime(store.entry(key), (1000 - age, 1000 - age))
    return store


def test_an_entry_is_there_once_it_is_whole(tmp_path):
    store = Store(tmp_path / "store")
    assert not store.has(KEYS[0]) and store.entries() == [] and store.prune(0) == []
    with pytest.raises(ZeroDivisionError), store.writing(KEYS[0]) as folder:
        write_text(folder / "content", "half")
        raise ZeroDivisionError
    assert not store.has(KEYS[0])
    with store.writing(KEYS[0]) as folder:
        write_text(folder / "content", "whole")
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
