"""Profiles: valid params whatever params.yaml asks; comments and the folder that they come from are left alone."""

import shutil
import subprocess
from pathlib import Path

import pytest
from dvc.utils.serialize import dump_yaml

from pipeline.commands import profile as profiles
from pipeline.config.loading import load_params
from pipeline.config.params import ENTRY_SECTIONS
from pipeline.store.errors import InputError, ParamsError
from pipeline.store.files import write_text
from pipeline.store.yaml import read_yaml

NAMES = ("gpu", "labels", "paper", "resolution", "smoke")
TRANSFERS = """transfers:
  mono-to-poly: {setting: transductive, source: mono-defect, target: poly-defect}
adaptations: {}
questions:
  mono-to-poly: {target: poly-defect, arm: transfers/mono-to-poly, against: baselines/poly-defect-resnet8}
"""


@pytest.fixture
def folder(repository, params_file, tmp_path, monkeypatch):
    """A folder with a params.yaml that asks something else than any profile of the repository."""
    shutil.copy(params_file, tmp_path / "params.yaml")
    shutil.copytree(repository / "profiles", tmp_path / "profiles")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder, text):
    """Make `text` the smoke profile."""
    (folder / "profiles" / "smoke.yaml").write_text(text)


def test_all_profiles_are_tested(repository):
    assert sorted(path.stem for path in (repository / "profiles").glob("*.yaml")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_gives_valid_params_whose_entries_are_its_own(folder, name):
    before, profile = read_yaml(folder / "params.yaml"), read_yaml(folder / "profiles" / f"{name}.yaml")
    profiles.apply_profile(name, None)
    after = read_yaml(folder / "params.yaml")
    load_params(folder / "params.yaml")
    for section in ENTRY_SECTIONS:
        assert after[section] == (before if name == "gpu" else profile)[section]


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_changes_the_settings_that_it_names_and_no_others(folder, name):
    before, profile = read_yaml(folder / "params.yaml"), read_yaml(folder / "profiles" / f"{name}.yaml")
    profiles.apply_profile(name, None)
    after = read_yaml(folder / "params.yaml")
    for section in (section for section in before if section not in (*ENTRY_SECTIONS, "pretraining")):
        assert after[section] == before[section] | profile.get(section, {})
    for method, settings in before["pretraining"].items():
        assert after["pretraining"][method] == settings | profile.get("pretraining", {}).get(method, {})


@pytest.mark.parametrize("name", ["labels", "smoke"])
def test_a_profile_works_for_a_user_who_tries_more_settings(folder, name):
    """Arms must try equally many: what a profile sets of that, it sets whole."""
    params = (folder / "params.yaml").read_text()
    for one, two in (
        ("[1e-2]", "[1e-2, 1e-3]"),
        ("[3e-4]", "[3e-4, 1e-4]"),
        ("learning_rate: [1e-3]", "learning_rate: [1e-3, 1e-4]"),
    ):
        assert one in params
        params = params.replace(one, two)
    (folder / "params.yaml").write_text(params)
    load_params(folder / "params.yaml")
    profiles.apply_profile(name, None)
    load_params(folder / "params.yaml")


def test_comments_stay(folder):
    commented = "run:  # how a run is made\n  seed: 7  # of all randomness\n"
    text = (folder / "params.yaml").read_text().replace("run:\n  seed: 7\n", commented)
    (folder / "params.yaml").write_text(text)
    profiles.apply_profile("smoke", None)
    assert commented in (folder / "params.yaml").read_text()


def test_an_unknown_profile_is_refused_with_those_there_are(folder):
    with pytest.raises(InputError, match="gpu, labels, paper, resolution, smoke"):
        profiles.apply_profile("tiny", None)


def test_a_profile_that_breaks_params_changes_nothing(folder):
    before = (folder / "params.yaml").read_bytes()
    written(folder, "run: {folds: -1}\nhead: {learning_rat: [1.0]}\n")
    with pytest.raises(ParamsError) as caught:
        profiles.apply_profile("smoke", None)
    assert len(caught.value.faults) == 2
    assert (folder / "params.yaml").read_bytes() == before
    assert not list(folder.glob(".params*"))


@pytest.mark.parametrize("differences", ["headd: {epochs: 3}", "run: {more: {epochs: 3}}"])
def test_a_section_that_params_do_not_have_is_refused(folder, differences):
    written(folder, differences)
    with pytest.raises(ParamsError, match=r"(headd|run\.more): no such section"):
        profiles.apply_profile("smoke", None)


@pytest.mark.parametrize("file", ["params.yaml", "profiles/smoke.yaml"])
def test_a_file_that_is_no_mapping_is_refused_by_its_name(folder, file):
    (folder / file).write_text("- run\n")
    with pytest.raises(ParamsError, match=rf"{file} has 1 fault:\n  - a mapping of sections was expected"):
        profiles.apply_profile("smoke", None)


def test_an_entry_section_replaces_that_of_params_whole(folder):
    before = read_yaml(folder / "params.yaml")
    written(folder, "studies: {}\n" + TRANSFERS)
    profiles.apply_profile("smoke", None)
    after = read_yaml(folder / "params.yaml")
    assert (after["studies"], list(after["transfers"]), list(after["questions"])) == (
        {},
        ["mono-to-poly"],
        ["mono-to-poly"],
    )
    assert after["targets"] == before["targets"]


def test_null_removes_nothing(folder):
    written(folder, "studies: {labels: null}\n")
    with pytest.raises(ParamsError, match=r"studies\.labels: "):
        profiles.apply_profile("smoke", None)


def test_what_an_entry_that_is_left_out_is_needed_for_is_reported(folder):
    written(folder, "baselines:\n  few-labels-resnet8: {target: few-labels, architecture: cifar_resnet8}\n")
    with pytest.raises(ParamsError, match=r"questions\.mono-to-poly\.against: no 'poly-defect-resnet8'"):
        profiles.apply_profile("smoke", None)


def test_edits_that_are_not_committed_are_not_overwritten(folder):
    def git(*arguments):
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)

    git("init")
    git("add", "params.yaml")
    git("commit", "-m", "params")
    profiles.apply_profile("smoke", None)
    edited = (folder / "params.yaml").read_bytes()
    with pytest.raises(InputError, match="edits that are not committed"):
        profiles.apply_profile("labels", None)
    assert (folder / "params.yaml").read_bytes() == edited
    git("checkout", "params.yaml")
    profiles.apply_profile("labels", None)


@pytest.mark.parametrize("name", ["labels", "smoke"])
def test_a_profile_brings_the_settings_of_its_own_pretraining_methods(folder, name):
    """Also where params.yaml uses none and so needs no settings of any."""
    raw = read_yaml(folder / "params.yaml")
    dump_yaml(folder / "params.yaml", raw | {"pretraining": {}})
    profiles.apply_profile(name, None)
    params = load_params(folder / "params.yaml")
    assert params.pretrained


@pytest.fixture
def clone(folder, monkeypatch):
    """A folder with raw data in several places, without code, and a stand-in for `dvc init`."""
    written(folder, "run: {seed: 8}\n")
    for place in ("clone/data/raw/cells", "clone/pictures", "beside"):
        (folder / place).mkdir(parents=True)
    for item in ("params.yaml", "profiles"):
        shutil.move(folder / item, folder / "clone" / item)
    monkeypatch.chdir(folder / "clone")
    monkeypatch.setattr(profiles, "check_params", lambda raw, path: None)  # of these datasets no target remains
    monkeypatch.setattr(profiles, "make_workspace", lambda into, items: into.mkdir(parents=True, exist_ok=True))
    return folder / "clone"


def ask(folder, **raws):
    """params.yaml whose datasets read these paths."""
    datasets = {name: {"reader": "folder", "raw": raw, "labels": ["label"]} for name, raw in raws.items()}
    dump_yaml(folder / "params.yaml", read_yaml(folder / "params.yaml") | {"datasets": datasets})


@pytest.mark.parametrize("raw", ["data/raw/cells", "pictures", "./pictures/", "../beside", "ABSOLUTE"])
def test_raw_data_anywhere_is_found_in_a_workspace_and_not_copied(clone, raw):
    raw = str(clone / "pictures") if raw == "ABSOLUTE" else raw
    ask(clone, own=raw)
    (clone / raw / "link").symlink_to("absent")
    subprocess.run(["mkfifo", clone / raw / "pipe"], check=True)
    before = sorted(clone.parent.rglob("*"))
    for _ in range(2):
        profiles.apply_profile("smoke", Path("runs/smoke"))
    workspace = clone / "runs" / "smoke"
    there = workspace / read_yaml(workspace / "params.yaml")["datasets"]["own"]["raw"]
    assert there.resolve() == (clone / raw).resolve()
    assert [path for path in sorted(clone.parent.rglob("*")) if clone / "runs" not in (path, *path.parents)] == before


def test_a_copy_of_raw_data_that_an_earlier_profile_made_becomes_a_link(clone):
    ask(clone, all="data/raw", one="data/raw/cells")
    (clone / "runs" / "smoke" / "data" / "raw" / "cells").mkdir(parents=True)
    (clone / "data" / "raw" / "cells" / "1.png").touch()
    for raws in ({"all": "data/raw", "one": "data/raw/cells"}, {"one": "data/raw/cells"}, {"all": "data/raw"}):
        ask(clone, **raws)
        profiles.apply_profile("smoke", Path("runs/smoke"))
        assert (clone / "runs" / "smoke" / "data" / "raw" / "cells" / "1.png").exists()
    assert (clone / "data" / "raw" / "cells" / "1.png").exists()


def written_at(folder):
    """Inode and time of the last change of all that lies in a folder; comparing files changes when they were read."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def test_a_workspace_that_is_made_again_leaves_alone_what_is_the_same(tmp_path):
    """A second `make smoke` in the same second must not take the code from under the first."""
    code = tmp_path / "code"
    for name in ("a.py", "old/b.py", "old/__pycache__/b.pyc"):
        write_text(tmp_path / f"code/{name}", "x")
    profiles._mirror(code, tmp_path / "copy")
    assert not list((tmp_path / "copy").rglob("*.pyc"))
    write_text(tmp_path / "copy/__pycache__/a.pyc", "cache")
    before = written_at(tmp_path / "copy")
    profiles._mirror(code, tmp_path / "copy")
    assert written_at(tmp_path / "copy") == before
    shutil.rmtree(code / "old")
    write_text(tmp_path / "code/a.py", "y")
    write_text(tmp_path / "code/new/c.py", "z")
    profiles._mirror(code, tmp_path / "copy")
    found = {
        path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*") if path.is_file()
    }
    assert found == {"a.py", "new/c.py", "__pycache__/a.pyc"} and not (tmp_path / "copy" / "old").exists()
    assert (tmp_path / "copy" / "a.py").read_text() == "y"


@pytest.mark.parametrize("raw", [".", "data", "models", "reports"])
def test_raw_data_among_what_the_pipeline_writes_is_refused(clone, raw):
    ask(clone, own=raw)
    with pytest.raises(InputError, match="holds what the pipeline writes"):
        profiles.apply_profile("smoke", Path("runs/smoke"))


def test_keras_files_are_linked_wherever_they_are(clone):
    source = {
        "mine": {"architecture": "nets/mine.keras", "weights": "file"},
        "other": {"architecture": "VGG16", "weights": "file", "path": "nets/vgg16_notop.h5"},
    }
    dump_yaml(clone / "params.yaml", read_yaml(clone / "params.yaml") | {"sources": source, "datasets": {}})
    (clone / "nets").mkdir()
    (clone / "nets" / "mine.keras").write_bytes(b"x")
    (clone / "nets" / "vgg16_notop.h5").write_bytes(b"y")
    profiles.apply_profile("smoke", Path("runs/smoke"))
    assert (clone / "runs" / "smoke" / "nets" / "mine.keras").read_bytes() == b"x"
    assert (clone / "runs" / "smoke" / "nets" / "vgg16_notop.h5").read_bytes() == b"y"


@pytest.mark.parametrize("place", ["runs/smoke", "trial", "deep/down/trial"])
def test_git_ignores_a_workspace_wherever_it_is(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(profiles.subprocess, "run", lambda command, cwd, check: (cwd / ".dvc").mkdir(exist_ok=True))
    write_text(Path(".dvc/config"), "")
    profiles.make_workspace(Path(place), ())
    write_text(Path(place, "models/a.keras"), "x")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet"], check=True)
    shown = subprocess.run(["git", "status", "--porcelain", "-uall"], capture_output=True, text=True, check=True)
    assert shown.stdout == "?? .dvc/config\n"
