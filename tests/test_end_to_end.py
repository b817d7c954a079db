"""The whole pipeline under DVC on drawn images, then what an edit of params.yaml reruns and what it adds.

The tests of this file share one workspace and run in the order in which they stand; those that are slow have the first
run made where they run alone.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from drawn_panels import draw
from dvc.utils.serialize import dump_yaml, modify_yaml
from PIL import Image

from pipeline.commands.profile import CODE, make_workspace
from pipeline.runner.declaration import read_stages
from pipeline.store.yaml import read_yaml

ROOT = Path(__file__).parents[1]
TRANSFERS = ("type-to-defect", "cells-to-defect", "mono-to-poly")
ADDED = {  # name -> setting; None: a control that has none
    "turned-to-stripes": "unsupervised",
    "labelled-to-stripes": "transductive",
    "unlabelled-stripes": "transductive",
    "stripes-again": None,
}
PUBLISHED = (("sources", "imagenet"), ("baselines", "cell-defect-lite0"), ("transfers", "imagenet-to-defect"))
PUBLISHED += (("questions", "imagenet-to-defect"),)
COSTLY = {  # a study takes a dozen stages more; tests/report has its own
    "targets": ("half-labels", "all-labels"),
    "baselines": ("half-labels-resnet8", "all-labels-resnet8"),
    "transfers": ("with-half", "with-all"),
    "questions": ("with-half", "with-all"),
    "studies": ("labels",),
}
SECONDS_FOR_NOTHING = 30  # on an idle machine 5; the bound only tells a full rerun from none


@pytest.fixture(scope="module")
def workspace(params_file, tmp_path_factory):
    """The params of the tests without what needs published weights, which a package would have to bring."""
    folder = tmp_path_factory.mktemp("workspace")
    with contextlib.chdir(ROOT):
        make_workspace(folder, CODE)
    draw(folder / "data" / "raw" / "panels")
    params = read_yaml(params_file)
    for section, name in PUBLISHED:
        del params[section][name]
    for section, names in COSTLY.items():
        for name in names:
            del params[section][name]
    dump_yaml(folder / "params.yaml", params)
    return folder


def run(workspace, *command):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": "."}
    command = [sys.executable, "-m", *command]
    return subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True, check=False)


def repro(workspace):
    """Run all stale stages, and return the addresses of those that ran: each ends with a line and its seconds."""
    done = run(workspace, "pipeline", "repro")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return {match[1] for match in re.finditer(r"(?m)^(\w+(?:@[\w-]+)?): .* \[[\d.]+ s", done.stdout)}


@pytest.fixture
def finished(workspace):
    """The workspace with all that its params ask for."""
    repro(workspace)
    return workspace


def metrics(workspace):
    return json.loads((workspace / "reports" / "metrics.json").read_text())


def test_a_fresh_workspace_ends_with_a_label_for_every_setting_and_the_controls(workspace):
    ran = repro(workspace)
    params = read_yaml(workspace / "params.yaml")
    stages = read_stages(workspace / "dvc.yaml").values()
    with_cells = {stage.name for stage in stages if stage.section is None or params[stage.section]}
    assert {stage.split("@")[0] for stage in ran} == with_cells
    found = metrics(workspace)
    for transfer in (found[name] for name in TRANSFERS):
        assert transfer["label"] == ("positive" if transfer["gain"] > 0 else "negative")
    assert {found[name]["setting"] for name in TRANSFERS} == {"inductive", "unsupervised", "transductive"}
    assert [found[name]["repeats"] for name in TRANSFERS] == [1, 1, 2]
    assert [found[name]["trainings"] for name in TRANSFERS] == [2, 2, 4]
    controls = {entry["control"] for entry in found.values() if entry.get("control")}
    assert controls == {"null", "planted_negative", "planted_positive"}
    assert found["run"]["controls"] in ("held", "failed")
    assert (workspace / "reports" / "report.html").stat().st_size > 10_000


def asks(target, arm, against):
    return {"target": target, "arm": arm, "against": against}


def committed(workspace):
    """What a user commits: path -> bytes."""
    reports = workspace / "reports"
    files = [*workspace.glob("*.yaml"), workspace / "dvc.lock", *reports.glob("*.*"), *reports.glob("plots/*")]
    return {path: path.read_bytes() for path in files}


def test_a_second_run_does_nothing_and_leaves_what_is_committed_as_it_was(workspace):
    before, start = committed(workspace), time.perf_counter()
    assert repro(workspace) == set()
    assert time.perf_counter() - start < SECONDS_FOR_NOTHING
    assert committed(workspace) == before


@pytest.mark.slow
def test_questions_of_fewer_repeats_take_their_trainings_from_the_store(finished):
    """The folds of one target are fewer then; those of the first repeat are what they were."""
    asked = ("mono-to-poly", "mono-to-poly-unlabelled")
    before = metrics(finished)
    with modify_yaml(str(finished / "params.yaml")) as params:
        for name in asked:
            params["questions"][name]["repeats"] = 1
    done = run(finished, "pipeline", "repro")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for cell in ("head@mono-to-poly", "tune@mono-to-poly", "scratch@poly-defect-resnet8"):
        assert f"{cell}: 2 of 2 folds are in the store" in done.stdout
    after = metrics(finished)
    assert [before[name]["repeats"] for name in asked] == [2, 2]
    assert [after[name]["repeats"] for name in asked] == [1, 1]
    kept = ("gain", "p", "arms", "compute", "repeats")
    for name in ("type-to-defect", "planted-positive"):
        assert {field: after[name][field] for field in kept} == {field: before[name][field] for field in kept}


@pytest.mark.slow
def test_a_head_param_reruns_head_and_what_follows_and_nothing_before(workspace):
    with modify_yaml(str(workspace / "params.yaml")) as params:
        params["head"]["learning_rate"] = [0.02]
    ran = repro(workspace)
    assert {stage.split("@")[0] for stage in ran} == {"head", "tune", "evaluate", "report"}


@pytest.mark.slow
def test_a_folder_dataset_and_its_questions_are_an_edit_of_params_alone(finished):
    """Stripes against spots, one directory a class: a few lines of params later there are verdicts for them."""
    rng = np.random.default_rng(0)
    for index in range(160):
        pixels = rng.integers(0, 90, (40, 40, 3), dtype=np.uint8)
        if index % 2:
            pixels[:, ::4] += 120
        else:
            pixels[10:20, 10:20] += 120
        path = finished / "data" / "raw" / "shapes" / ("stripes" if index % 2 else "spots") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    learnt = {"init": "random", "dataset": "shapes", "pool": "source"}
    asked = {"target": "stripes", "unfreeze": 0}
    network = {"target": "stripes", "architecture": "cifar_resnet8"}
    with modify_yaml(str(finished / "params.yaml")) as params:
        params["datasets"]["shapes"] = {
            "reader": "folder",
            "raw": "data/raw/shapes",
            "labels": ["label"],
            "pools": {"source": 0.5, "target": 0.5},
        }
        params["targets"] |= {
            "stripes": {"dataset": "shapes", "label": "label", "pool": "target"},
        }
        params["baselines"] |= {
            "stripes-resnet8": network,
            "stripes-resnet8-again": {**network, "again": 1},
        }
        params["pretrained"]["shapes-turned"] = {**learnt, "pretrain": "rotation"}
        params["pretrained"]["shapes-labelled"] = {**learnt, "pretrain": "supervised", "label": "label"}
        params["pretraining"]["rotation"]["epochs"] = 1
        params["transfers"] |= {
            "turned-to-stripes": {**asked, "setting": "unsupervised", "source": "shapes-turned"},
            "labelled-to-stripes": {**asked, "setting": "transductive", "source": "shapes-labelled"},
        }
        params["adaptations"]["unlabelled-stripes"] = {"source": "shapes-labelled", "target": "stripes"}
        params["questions"] |= {
            "turned-to-stripes": asks("stripes", "transfers/turned-to-stripes", "baselines/stripes-resnet8"),
            "labelled-to-stripes": asks("stripes", "transfers/labelled-to-stripes", "baselines/stripes-resnet8"),
            "unlabelled-stripes": asks("stripes", "adaptations/unlabelled-stripes", "unadapted/unlabelled-stripes"),
            "stripes-again": asks("stripes", "baselines/stripes-resnet8-again", "baselines/stripes-resnet8"),
        }
    ran = repro(finished)
    new = (*ADDED, "shapes", "stripes", "shapes-turned", "shapes-labelled")
    new += ("stripes-resnet8", "stripes-resnet8-again")
    splits = {"split@cell-defect", "split@few-labels", "split@poly-defect"}
    assert {stage for stage in ran if stage.partition("@")[2] not in new} == {
        "validate@panels",  # it checks the classes of every target
        *splits,  # to see how many repeats are asked for; none is another, so that nothing follows
        "leakage",  # it passes as before, so that nothing follows
        "source@random",  # it checks where every transfer from it begins to unfreeze
        "report",
    }
    found = metrics(finished)
    for name, setting in ADDED.items():
        assert found[name].get("setting") == setting
        assert found[name]["label"] in ("positive", "negative")
        assert name in (finished / "reports" / "report.md").read_text()


@pytest.mark.slow
def test_a_source_that_has_seen_the_target_is_refused(workspace):
    with modify_yaml(str(workspace / "params.yaml")) as params:
        params["targets"]["stripes"]["pool"] = None
    done = run(workspace, "dvc", "repro", "extract@labelled-to-stripes")
    assert done.returncode != 0
    said = " ".join(done.stderr.split())
    assert "'shapes-labelled' (from 'shapes') and target 'stripes'" in said
    assert "80 same pixels" in said
    with modify_yaml(str(workspace / "params.yaml")) as params:
        params["targets"]["stripes"]["pool"] = "target"


@pytest.mark.slow
def test_what_is_removed_leaves_every_report(workspace):
    with modify_yaml(str(workspace / "params.yaml")) as params:
        for section in ("transfers", "adaptations", "questions"):
            for name in ADDED:
                params[section].pop(name, None)
    repro(workspace)
    for name in ADDED:
        assert name not in metrics(workspace)
        assert name not in (workspace / "reports" / "report.md").read_text()
        assert name not in (workspace / "reports" / "plots" / "gain.csv").read_text()
