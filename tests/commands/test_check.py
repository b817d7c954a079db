"""check: whatever stages and DVC would complain about is told before a run, all at once."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import tiny_world

from pipeline.commands import check as command
from pipeline.store.errors import ParamsError
from pipeline.store.paths import Paths

COUNTS = {"a": 20, "b": 20, "c": 6}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with params of one table of empty files; the function writes changed params there."""
    raw = copy.deepcopy(tiny_world.RAW) | {"transfers": {}, "pretrained": {}, "adaptations": {}}
    raw["run"] |= {"validation_fraction": 0.2}
    raw["sources"] = {"tiny": {"architecture": "VGG16", "weights": "random"}}
    raw["datasets"] = {"toy": {"reader": "table", "raw": "raw", "table": "t.csv", "labels": ["kind", "side"]}}
    raw["targets"] = {"kind": {"dataset": "toy", "label": "kind"}}
    raw["baselines"] = {
        "one": {"target": "kind", "architecture": "VGG16"},
        "again": {"target": "kind", "architecture": "VGG16", "again": 1},
    }
    raw["questions"] = {"null": {"target": "kind", "arm": "baselines/again", "against": "baselines/one"}}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")

    def write(counts=COUNTS, edit=lambda raw: None):
        labels = [label for label, count in counts.items() for _ in range(count)]
        names = [f"{number}.png" for number in range(len(labels))]
        (tmp_path / "raw").mkdir(exist_ok=True)
        for name in names:
            (tmp_path / "raw" / name).touch()
        table = pd.DataFrame({"path": names, "kind": labels, "side": ["left", "right"] * (len(labels) // 2)})
        table.to_csv(tmp_path / "raw" / "t.csv", index=False)
        edit(raw)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(tiny_world, "check_params", lambda raw: None)
            tiny_world.write_params(tmp_path, raw)

    return write


def faults():
    with pytest.raises(ParamsError) as caught:
        command.check(Paths())
    return caught.value.faults


def test_a_project_in_order_has_no_fault(project):
    project({"a": 20, "b": 20, "c": 20})
    command.check(Paths())


def test_a_rare_class_is_told_before_an_image_is_opened_with_advice_that_helps(project):
    project()
    (fault,) = faults()
    assert fault.startswith("targets.kind: Target 'kind': Fold 0 cannot give 0.2") and "c: 3" in fault
    assert "Any one of these helps: run.folds: 6; run.validation_fraction: 0.33;" in fault
    project(edit=lambda raw: raw["run"].update(folds=6))
    command.check(Paths())


def test_a_class_of_five_is_told(project):
    project({"a": 40, "b": 5, "c": 41})
    (fault,) = faults()
    assert "b: " in fault and "Any one of these helps" in fault


def test_a_limit_that_leaves_too_few_is_named(project):
    project({"a": 40, "b": 40}, lambda raw: raw["datasets"]["toy"].update(limit=8))
    assert faults()[0].endswith("`datasets.toy.limit` leaves 8 images: raise it.")


def test_a_download_without_git_is_told_with_a_remedy_that_works(project):
    project({"a": 20, "b": 20, "c": 20})
    Path(".dvc").mkdir()
    (fault,) = faults()
    assert fault.startswith("environment: ") and "is not a git repository" in fault
    first, second = re.findall("`(.*?)`", fault)
    assert first == "git init"
    subprocess.run([sys.executable, "-m", *second.split()], check=True)
    command.check(Paths())


def test_a_source_of_rare_classes_is_told(project):
    source = {"pretrain": "supervised", "init": "tiny", "dataset": "toy", "label": "side", "where": {"kind": "c"}}
    project({"a": 20, "b": 20, "c": 6}, lambda raw: raw["pretrained"].update(rare=source))
    told = [fault for fault in faults() if fault.startswith("pretrained.rare")]
    assert "No validation part of 0.2" in told[0] and "Set `run.validation_fraction: 0.33`" in told[0]


def test_a_value_of_where_that_no_image_has_is_told_with_the_nearest(project):
    project({"a": 20, "b": 20, "c": 20}, lambda raw: raw["targets"]["kind"].update(where={"side": "lefft"}))
    (fault,) = faults()
    assert fault == ("targets.kind.where.side: no image has 'lefft' (did you mean 'left'?); there are 'left, right'")


def test_faults_of_params_of_data_and_of_the_environment_are_told_at_once(project, monkeypatch, tmp_path):
    def edit(raw):
        raw["run"]["folds"] = 99
        del raw["rescaled"]
        raw["datasets"]["gone"] = {"reader": "folder", "raw": "nowhere", "labels": ["label"]}
        raw["datasets"]["columns"] = raw["datasets"]["toy"] | {"labels": ["knid"]}

    project(edit=edit)
    monkeypatch.setenv("PATH", str(tmp_path))
    told = "\n".join(faults())
    for words in (
        "environment: DVC runs stages by `python`, which is missing here",
        "run.folds: input should be less than",
        "rescaled: missing; an empty section is written `rescaled: {}`",
        "datasets.gone.raw: 'nowhere' does not exist",
        "datasets.columns: t.csv: no column 'knid' (did you mean 'kind'?)",
    ):
        assert words in told, told


def test_a_keras_file_that_is_missing_or_another_is_told(project, tmp_path):
    entry = {"architecture": "own.keras", "weights": "file", "sha256": "0" * 64}
    project({"a": 20, "b": 20, "c": 20}, lambda raw: raw["sources"].update(own=entry))
    assert faults() == ["sources.own.architecture: 'own.keras' does not exist. Put the file there, or correct the path"]
    (tmp_path / "own.keras").write_text("weights")
    (fault,) = faults()
    assert fault.startswith(f"sources.own.sha256: {'0' * 64} is not that of 'own.keras', which has ")


def test_a_file_of_weights_that_is_missing_or_another_is_told(project, tmp_path):
    entry = {"architecture": "MobileNetV2", "weights": "file", "path": "w.h5", "sha256": "0" * 64}
    project({"a": 20, "b": 20, "c": 20}, lambda raw: raw["sources"].update(own=entry))
    assert faults() == ["sources.own.path: 'w.h5' does not exist. Put the file there, or correct the path"]
    (tmp_path / "w.h5").write_text("weights")
    (fault,) = faults()
    assert fault.startswith(f"sources.own.sha256: {'0' * 64} is not that of 'w.h5', which has ")


def test_what_dvc_itself_refuses_is_told(project, tmp_path):
    project({"a": 20, "b": 20, "c": 20})
    text = (tmp_path / "dvc.yaml").read_text()
    (tmp_path / "dvc.yaml").write_text(text.replace("data/targets/${key}\n", "data/datasets/toy/${key}\n", 1))
    (fault,) = faults()
    assert fault.startswith("dvc.yaml: ") and "overlap" in fault


CUT = "schema: '2.0'\nstages:\n  split@defect:\n    cmd: python -m pipeline split defect\n    deps:\n    - path: da"


def test_a_dvc_lock_that_was_cut_is_left_to_the_run_which_heals_it(project, tmp_path):
    project({"a": 20, "b": 20, "c": 20})
    (tmp_path / "dvc.lock").write_text(CUT)
    command.check(Paths(tmp_path))
    (tmp_path / "dvc.lock").write_text(f"<<<<<<< HEAD\n{CUT}\n=======\n>>>>>>> other\n")
    (fault,) = faults()
    assert "dvc.lock:1 has conflict markers of a merge. Take one side with" in fault


def test_stages_that_dvc_does_not_make_are_told(project, monkeypatch):
    """Whatever the reason: names in quotes are one that this pipeline knows."""
    project({"a": 20, "b": 20, "c": 20})
    cells = command.all_cells

    def more(stages, params):
        yield from cells(stages, params)
        yield next(cell for cell in cells(stages, params) if cell.stage == "ingest").__class__(
            "ingest", "2024", (), (), ()
        )

    monkeypatch.setattr(command, "all_cells", more)
    assert faults() == ["dvc.yaml: DVC makes no stage ingest@2024; correct its `foreach`"]


def test_a_python_without_the_packages_is_one_line(repository):
    code = "import runpy, sys; sys.modules['pydantic'] = None; sys.argv = ['pipeline', 'check']; "
    code += "runpy.run_module('pipeline', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "lacks the package pydantic. Activate the project's environment" in done.stderr
