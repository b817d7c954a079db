"""Profiles: differences to params.yaml that give valid params, and leave comments and this folder alone."""

import shutil

import pytest

from pipeline.commands import profile as profiles
from pipeline.config.loading import load_params
from pipeline.store.errors import InputError, ParamsError
from pipeline.store.yaml import read_yaml

NAMES = ("gpu", "labels", "paper", "smoke")


@pytest.fixture
def folder(repository, tmp_path, monkeypatch):
    """What `apply_profile` works on, alone in a folder."""
    shutil.copy(repository / "params.yaml", tmp_path)
    shutil.copytree(repository / "profiles", tmp_path / "profiles")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_all_profiles_are_tested(repository):
    assert sorted(path.stem for path in (repository / "profiles").glob("*.yaml")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_gives_valid_params_that_differ_as_it_says(folder, name):
    before = read_yaml(folder / "params.yaml")
    profiles.apply_profile(name, None)
    after, differences = read_yaml(folder / "params.yaml"), read_yaml(folder / "profiles" / f"{name}.yaml")
    load_params(folder / "params.yaml")
    assert profiles.merge(before, differences) == []
    assert after == before


def test_comments_stay(folder):
    comments = [line.partition("#")[2] for line in (folder / "params.yaml").read_text().splitlines() if "#" in line]
    profiles.apply_profile("gpu", None)  # which removes nothing
    kept = [line.partition("#")[2] for line in (folder / "params.yaml").read_text().splitlines() if "#" in line]
    assert kept == comments


def test_an_unknown_profile_is_refused_with_those_there_are(folder):
    with pytest.raises(InputError, match="gpu, labels, paper, smoke"):
        profiles.apply_profile("tiny", None)


def test_a_profile_that_breaks_params_changes_nothing(folder):
    before = (folder / "params.yaml").read_bytes()
    (folder / "profiles" / "smoke.yaml").write_text("run: {folds: -1}\nhead: {learning_rat: [1.0]}\n")
    with pytest.raises(ParamsError) as caught:
        profiles.apply_profile("smoke", None)
    assert len(caught.value.faults) == 2
    assert (folder / "params.yaml").read_bytes() == before
    assert not list(folder.glob(".params*"))


@pytest.mark.parametrize("differences", ["headd: {epochs: 3}", "run: {more: {epochs: 3}}"])
def test_a_section_that_params_do_not_have_is_refused(folder, differences):
    (folder / "profiles" / "smoke.yaml").write_text(differences)
    with pytest.raises(ParamsError, match=r"(headd|run\.more): no such section"):
        profiles.apply_profile("smoke", None)


def test_a_profile_adds_and_removes_entries(folder):
    before = read_yaml(folder / "params.yaml")
    added = "{dataset: elpv, label: defect, pool: target}"
    (folder / "profiles" / "smoke.yaml").write_text(f"targets: {{half: {added}}}\nnulls: {{scratch-again: null}}\n")
    profiles.apply_profile("smoke", None)
    after = read_yaml(folder / "params.yaml")
    assert load_params(folder / "params.yaml").targets["half"].pool == "target"
    assert (after["nulls"], list(after["targets"])) == ({}, [*before["targets"], "half"])
    assert after["transfers"] == before["transfers"]


def test_removing_what_is_not_there_is_refused_with_what_there_is(folder):
    (folder / "profiles" / "smoke.yaml").write_text("nulls: {scratch-agian: null}\n")
    with pytest.raises(ParamsError, match=r"nulls\.scratch-agian: no such entry.*scratch-again"):
        profiles.apply_profile("smoke", None)


def test_null_inside_an_entry_is_a_value(folder):
    (folder / "profiles" / "smoke.yaml").write_text("targets: {few-labels: {labels_per_class: null}}\n")
    profiles.apply_profile("smoke", None)
    assert load_params(folder / "params.yaml").targets["few-labels"].labels_per_class is None


def test_what_an_entry_to_be_removed_is_needed_for_is_told(folder):
    (folder / "profiles" / "smoke.yaml").write_text("baselines: {poly-defect-resnet8: null}\n")
    with pytest.raises(ParamsError, match=r"transfers\.mono-to-poly\.baseline"):
        profiles.apply_profile("smoke", None)


def test_a_new_entry_with_a_typo_is_told(folder):
    (folder / "profiles" / "smoke.yaml").write_text("datasets: {elpw: {limit: 3}}\n")
    with pytest.raises(ParamsError, match=r"datasets\.elpw\.reader: missing"):
        profiles.apply_profile("smoke", None)
