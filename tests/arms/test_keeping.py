"""A finished training is kept, is what a new one would be to the bit, and counts only while nothing has changed."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
import tiny_world
import toy_fold
from test_wiring import ROOT, imports

from pipeline.arms import keeping, train
from pipeline.arms.networks import ScratchNetwork
from pipeline.arms.spec import sweep
from pipeline.arms.train import train_arm, train_fold
from pipeline.commands.profile import CODE
from pipeline.store import wordless
from pipeline.store.files import check_sealed, read_parquet, sha256_file, write_npy, write_parquet
from pipeline.store.kept import Store
from pipeline.store.outs import TrainedPaths
from pipeline.store.paths import Paths
from pipeline.training import compile_cache, folds
from pipeline.training.tuning import TuningMethod

CLOCK = {"cell": "head@cells", "seconds": 1.0}
# the second fold of a baseline ends as by `kill -9`
KILLED = """
import os, signal, sys
from pathlib import Path
import tiny_world
from pipeline.arms import train
parts = train.fold_parts
train.fold_parts = lambda table, fold, weight: (
    os.kill(os.getpid(), signal.SIGKILL) if fold == 1 else parts(table, fold, weight)
)
tiny_world.run_cell(Path(sys.argv[1]), "scratch", "defect-tiny")
"""


class Interrupted(Exception):
    pass


def interrupt(spec):
    """As train_fold, but for all folds after the first."""
    if spec.fold:
        raise Interrupted
    return train_fold(spec)


def digests(folder):
    check_sealed(folder)
    return {path.name: sha256_file(path) for path in folder.rglob("*") if path.is_file()}


def trained_arm(specs, out, store, **options):
    return train_arm(specs, "head", out, store, "head@cells", {"target": "cells"}, **options)


@pytest.fixture
def folder(tmp_path):
    """Two folds of features."""
    table = toy_fold.examples()
    other = table["role_0"].map({"train": "train", "validation": "test", "test": "validation"})
    return toy_fold.write_inputs(tmp_path / "inputs", table.assign(role_1=other), toy_fold.features(table))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / ".store")


def head_specs(folder):
    return [toy_fold.head_spec(folder, fold=fold, dropout=0.5) for fold in (0, 1)]


def scratch_specs(folder):
    """The same folds from pixels, with batch normalization and mirrored views."""
    sha256 = tiny_world.write_backbone(folder / "own.keras")
    write_npy(folder / "inputs.npy", tiny_world.pixels(tiny_world.manifest()))
    network = ScratchNetwork(str(folder / "own.keras"), tiny_world.SIZE, 2, 0.9, sha256)
    changes = {"arm": "scratch", "kind": "pixels", "network": network, "augmentation": "mirror"}
    return [replace(spec, settings=sweep([1e-2]), **changes) for spec in head_specs(folder)]


@pytest.mark.parametrize("made", [head_specs, scratch_specs])
@pytest.mark.slow
def test_training_interrupted_resumes_to_the_bit(tmp_path, monkeypatch, capsys, folder, store, made):
    specs, trained = made(folder), []
    with pytest.raises(Interrupted):
        trained_arm(specs, TrainedPaths(tmp_path / "resumed"), store, call=interrupt)
    assert [fold.finished for fold in keeping.kept_folds(store, specs)] == [True, False] and not (
        tmp_path / "resumed"
    ).exists()
    monkeypatch.setattr(compile_cache, "_compiled", {})  # as in a process of its own
    trained_arm(
        specs, TrainedPaths(tmp_path / "resumed"), store, call=lambda spec: trained.append(spec) or train_fold(spec)
    )
    assert trained == specs[1:]
    assert capsys.readouterr().out == "head@cells: 1 of 2 folds are in the store\n"
    line = trained_arm(specs, TrainedPaths(tmp_path / "whole"), Store(tmp_path / "other"))
    assert line.startswith("2 folds") and capsys.readouterr().out == ""
    assert digests(tmp_path / "resumed") == digests(tmp_path / "whole")


@pytest.mark.slow
def test_a_stage_that_was_killed_resumes_to_the_bit(repository, world, world_copy, capsys):
    """Its old out is whole meanwhile."""
    copy, places = world_copy(), [str(repository), str(repository / "tests")]
    out = Paths(copy.root).trained("baselines", "defect-tiny").folder
    before = digests(out)
    shutil.rmtree(Paths(copy.root).store)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places)}
    ended = subprocess.run([sys.executable, "-c", KILLED, str(copy.root)], env=environment, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr[-3000:]
    assert digests(out) == before
    tiny_world.run_cell(copy.root, "scratch", "defect-tiny")
    assert capsys.readouterr().out.startswith("scratch@defect-tiny: 1 of 4 folds are in the store\n")
    assert digests(out) == before


def test_an_arm_whose_folds_are_all_kept_trains_none(tmp_path, folder, store, capsys):
    specs = head_specs(folder)
    for fold in keeping.kept_folds(store, specs):
        fold.keep(train_fold(fold.spec), CLOCK)
    trained_arm(specs, TrainedPaths(tmp_path / "out"), store, call=interrupt)
    assert capsys.readouterr().out == "head@cells: 2 of 2 folds are in the store\n"


@pytest.mark.slow
def test_more_folds_train_only_what_is_new(tmp_path, folder, store):
    """As when `run.repeats` is raised: the roles of further folds are further columns of the same file."""
    trained = []

    def call(spec):
        trained.append(spec.fold)
        return train_fold(spec)

    trained_arm(head_specs(folder), TrainedPaths(tmp_path / "two"), store, call=call)
    table = read_parquet(folder / "examples.parquet")
    write_parquet(folder / "examples.parquet", table.assign(role_2=table["role_0"], role_3=table["role_1"]))
    specs = [toy_fold.head_spec(folder, fold=fold, dropout=0.5) for fold in range(4)]
    trained_arm(specs, TrainedPaths(tmp_path / "four"), store, call=call)
    assert trained == [0, 1, 2, 3]
    trained_arm(specs, TrainedPaths(tmp_path / "at once"), Store(tmp_path / "other"))
    assert digests(tmp_path / "four") == digests(tmp_path / "at once")


@pytest.mark.slow
def test_an_arm_of_another_name_takes_the_same_trainings(tmp_path, folder, store):
    trained_arm(head_specs(folder), TrainedPaths(tmp_path / "one"), store)
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    trained_arm(head_specs(moved), TrainedPaths(tmp_path / "two"), store, call=interrupt)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


# ---- a fresh start ---------------------------------------------------------------------------------------------------


def other_plan(folder, specs, monkeypatch):
    return [replace(spec, plan=replace(spec.plan, method=TuningMethod("joint", layer_decay=0.5))) for spec in specs]


def other_examples(folder, specs, monkeypatch):
    write_parquet(folder / "examples.parquet", toy_fold.examples().assign(role_1="train", weight=0.5))


def other_inputs(folder, specs, monkeypatch):
    write_npy(folder / "inputs.npy", np.zeros((48, 5), "float32"))


def other_code(folder, specs, monkeypatch):
    for part in keeping.CODE:
        copy = folder / "pipeline" / part
        if copy.suffix:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((wordless.PACKAGE / part).read_bytes())
        else:
            copy.mkdir(parents=True)
    (folder / "pipeline" / "networks" / "new.py").write_text("")
    monkeypatch.setattr(wordless, "PACKAGE", folder / "pipeline")


def other_keras(folder, specs, monkeypatch):
    monkeypatch.setattr(keras, "__version__", "2.99")


def damage(folder, specs, monkeypatch):
    (file,) = folder.parent.glob(".store/*/*/model.keras")
    file.write_bytes(file.read_bytes()[:-1])


CHANGES = [other_plan, other_examples, other_inputs, other_code, other_keras, damage]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.slow
def test_what_depends_on_something_else_starts_afresh(tmp_path, monkeypatch, folder, store, change):
    specs, trained = head_specs(folder), []
    result = train_fold(specs[0])
    (first, _) = keeping.kept_folds(store, specs)
    first.keep(result, CLOCK)
    specs = change(folder, specs, monkeypatch) or specs
    trained_arm(specs, TrainedPaths(tmp_path / "out"), store, call=lambda spec: trained.append(spec.fold) or result)
    assert trained == [0, 1]


def test_a_fold_that_was_trained_before_another_forecast_is_not_taken_up(folder):
    marks = []
    for label in ("positive", "positive", "negative"):
        (folder / "forecast.json").write_text(label)
        marks += keeping.keys([toy_fold.head_spec(folder, forecast=folder / "forecast.json")])
    assert marks[0] == marks[1] != marks[2]


def test_another_number_of_folds_starts_afresh(world_copy, world, monkeypatch, capsys):
    """Three folds, interrupted in the last one, then two: the arm of two is that of a run without any of it."""
    copy = world_copy(run={"folds": 3})
    shutil.rmtree(Paths(copy.root).store)
    tiny_world.run_cells(copy.root, "split", only="defect")

    def parts(table, fold, weight):
        if fold == 2:
            raise Interrupted
        return folds.fold_parts(table, fold, weight)

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(train, "fold_parts", parts)
        tiny_world.run_cell(copy.root, "head", "to-defect")
    tiny_world.write_params(copy.root, world.raw)
    tiny_world.run_cells(copy.root, "split", only="defect")
    capsys.readouterr()
    tiny_world.run_cell(copy.root, "head", "to-defect")
    assert "in the store" not in capsys.readouterr().out
    before, after = (digests(Paths(root).trained("heads", "to-defect").folder) for root in (world.root, copy.root))
    assert before == after


def test_what_a_fold_is_built_from_is_in_its_fingerprint(folder, tmp_path):
    (tmp_path / "weights.keras").write_bytes(b"one")
    spec = toy_fold.head_spec(folder, network=ScratchNetwork("own", 32, 2, 0.9, None, tmp_path / "weights.keras"))
    found = {keeping.keys([spec])[0] for _ in range(2)}
    (tmp_path / "weights.keras").write_bytes(b"two")
    found.add(keeping.keys([spec])[0])
    assert keeping.keys([replace(spec, live=tmp_path / "live")])[0] in found
    found.add(keeping.keys([replace(spec, fold=1)])[0])
    assert len(found) == 3


# ---- what stands outside this module ---------------------------------------------------------------------------------


def test_all_code_that_training_imports_is_in_the_fingerprint():
    imported = {file.relative_to(ROOT / "pipeline") for file in imports("pipeline.arms.train", set())}
    whole = {part for part in keeping.CODE if not part.endswith(".py")}
    found = {file.parts[0] if file.parts[0] in whole else file.as_posix() for file in imported}
    assert {name for name in found if not name.endswith("__init__.py")} == set(keeping.CODE)


def test_neither_git_nor_dvc_sees_what_is_kept(repository):
    """Nor does a profile's workspace, which takes the same .dvcignore."""
    kept = Paths().store.name
    assert f"{kept}/" in (repository / ".gitignore").read_text().splitlines()
    assert kept in (repository / ".dvcignore").read_text().splitlines()
    assert ".dvcignore" in CODE
