"""The whole pipeline under DVC on the smoke profile, then what an edit of params.yaml reruns and what it adds.

The tests of this file share one workspace and run in the order in which they stand.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from dvc.utils.serialize import modify_yaml
from PIL import Image

from pipeline.profiles import apply_profile

ROOT = Path(__file__).parents[1]
SECONDS_FOR_NOTHING = 30  # on an idle machine 5; the bound only tells a full rerun from none


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    here = Path.cwd()
    os.chdir(ROOT)
    try:
        apply_profile("smoke", folder)
    finally:
        os.chdir(here)
    return folder


def repro(workspace, *arguments):
    """Run `dvc repro` and return the addresses of the stages that it ran."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": "."}
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", *arguments],
        cwd=workspace,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return {match[1] for match in re.finditer(r"Running stage '([^']+)'", done.stdout)}


def metrics(workspace):
    return json.loads((workspace / "reports" / "metrics.json").read_text())


def test_a_fresh_workspace_ends_with_a_label(workspace):
    ran = repro(workspace)
    assert {stage.split("@")[0] for stage in ran} == {
        *("ingest", "validate", "split", "source", "extract", "head", "tune", "scratch", "evaluate", "report")
    }
    transfer = metrics(workspace)["imagenet-to-defect"]
    assert transfer["label"] in ("positive", "negative")
    assert transfer["label"] == ("positive" if transfer["gain"] > 0 else "negative")
    assert (workspace / "reports" / "report.html").stat().st_size > 10_000


def test_a_second_run_does_nothing(workspace):
    start = time.perf_counter()
    assert repro(workspace) == set()
    assert time.perf_counter() - start < SECONDS_FOR_NOTHING


def test_a_head_param_reruns_head_and_what_follows_and_nothing_before(workspace):
    with modify_yaml(str(workspace / "params.yaml")) as params:
        params["head"]["learning_rate"] = [0.01]
    ran = repro(workspace)
    assert {stage.split("@")[0] for stage in ran} == {"head", "tune", "evaluate", "report"}


def test_a_folder_dataset_is_an_edit_of_params_alone(workspace):
    """Stripes against spots, one directory a class: six lines of params later there is a verdict for them."""
    rng = np.random.default_rng(0)
    for index in range(80):
        pixels = rng.integers(0, 90, (40, 40, 3), dtype=np.uint8)
        if index % 2:
            pixels[:, ::4] += 120
        else:
            pixels[10:20, 10:20] += 120
        path = workspace / "data" / "raw" / "shapes" / ("stripes" if index % 2 else "spots") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    with modify_yaml(str(workspace / "params.yaml")) as params:
        params["datasets"]["shapes"] = {"reader": "folder", "raw": "data/raw/shapes", "labels": ["label"]}
        params["targets"]["stripes"] = {"dataset": "shapes", "label": "label"}
        params["baselines"]["stripes-lite0"] = {"target": "stripes", "architecture": "efficientnet_lite0"}
        params["transfers"]["imagenet-to-stripes"] = {
            "setting": "inductive",
            "source": "imagenet",
            "target": "stripes",
            "baseline": "stripes-lite0",
        }
    ran = repro(workspace)
    assert not {stage for stage in ran if stage.endswith(("imagenet-to-defect", "elpv", "cell-defect"))} - {
        "validate@elpv"  # it checks the classes of every target
    }
    found = metrics(workspace)
    assert found["imagenet-to-stripes"]["label"] in ("positive", "negative")
    assert found["imagenet-to-stripes"]["arms"]["head"]["accuracy"] > 0.8
    assert "imagenet-to-stripes" in (workspace / "reports" / "report.md").read_text()


def test_a_transfer_that_is_removed_leaves_every_report(workspace):
    with modify_yaml(str(workspace / "params.yaml")) as params:
        del params["transfers"]["imagenet-to-stripes"]
    assert repro(workspace) == {"report"}
    assert "imagenet-to-stripes" not in metrics(workspace)
    assert "imagenet-to-stripes" not in (workspace / "reports" / "report.md").read_text()
    assert "imagenet-to-stripes" not in (workspace / "reports" / "plots" / "gain.csv").read_text()
