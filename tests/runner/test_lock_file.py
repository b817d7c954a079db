"""An entry of dvc.lock as text: the bytes of DVC's own way, or None where only DVC's way keeps what is there."""

import copy

import pytest
from dvc.utils.serialize import modify_yaml
from ruamel.yaml import YAML

from pipeline.runner.lock_file import HEAD, with_entry

LOCK = HEAD + "  a@x:\n    cmd: run a\n    outs:\n    - path: out\n      size: 1\n"


def by_dvc(file, entry):
    """What DVC leaves (dvc.dvcfile.Lockfile.dump_stages)."""
    with modify_yaml(str(file)) as data:
        if not data:
            data.update({"schema": "2.0"})
        data["stages"] = data.get("stages", {})
        data["stages"].update(copy.deepcopy(entry))  # a copy keeps what is shared
    return file.read_text(encoding="utf-8")


def entries(repository):
    """Some of the committed dvc.lock, params of all kinds among them, and two with unusual content."""
    stages = YAML(typ="safe").load((repository / "dvc.lock").read_bytes())["stages"]
    firsts = {name.partition("@")[0]: name for name in reversed(stages)}
    yield from ({name: stages[name]} for name in list(firsts.values())[::3])
    text = {
        "params.yaml": {"t": "a: b # c", "long": "word " * 40, "lines": "one\ntwo\n\n  three", "e": 1e-05, "n": None}
    }
    yield {"\u00e9t\u00e9@1": {"cmd": "x " * 60, "params": text, "outs": [{"path": "  spaces ", "md5": "0" * 32}]}}
    yield {"12": {"cmd": ["a", "b"], "outs": []}}


def test_entries_that_come_and_change_leave_the_bytes_that_dvc_leaves(repository, tmp_path):
    file, text = tmp_path / "dvc.lock", HEAD
    all_entries = list(entries(repository))
    for entry in all_entries:
        text = with_entry(text, entry)
        assert text == by_dvc(file, entry)
    for entry in (all_entries[0], all_entries[3], all_entries[-1]):
        ((name, content),) = entry.items()
        changed = {name: {**content, "cmd": "another command"}}
        text = with_entry(text, changed)
        assert text == by_dvc(file, changed)


def test_an_entry_whose_name_begins_another_one_stays_its_own():
    found = with_entry(with_entry(LOCK, {"a": {"cmd": "1"}}), {"a@x": {"cmd": "2"}})
    assert YAML(typ="safe").load(found)["stages"] == {"a@x": {"cmd": "2"}, "a": {"cmd": "1"}}


def test_entries_that_share_a_value_are_left_to_dvc_whose_aliases_are_of_the_whole_file(tmp_path):
    shared = ["p", "q"]
    entry = {"a": {"cmd": "1", "params": {"params.yaml": {"x": shared, "y": shared}}}}
    assert with_entry(LOCK, entry) is None
    file = tmp_path / "dvc.lock"
    file.write_text(LOCK)
    assert with_entry(by_dvc(file, entry), {"b": {"cmd": "1"}}) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        LOCK + "datasets: []\n",
        LOCK.replace("  a@x", "  # mine\n  a@x"),
        LOCK.replace("\n", "\r\n"),
        LOCK[:-1],
        "<<<<<<< HEAD\n" + LOCK,
        LOCK + "<<<<<<< HEAD\n",
        "stages: {}\n",
    ],
)
def test_what_dvc_does_not_write_itself_is_left_to_dvc(text):
    assert with_entry(text, {"b": {"cmd": "1"}}) is None
