"""A user deletes the demo from params.yaml and asks one question of images of their own; profiles still work there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dvc.utils.serialize import dump_yaml
from PIL import Image

from pipeline.config.params import ENTRY_SECTIONS
from pipeline.store.yaml import read_yaml

ROOT = Path(__file__).parents[1]
PROJECT = ("dvc.yaml", "dvc.lock", "params.yaml", ".dvcignore", ".gitignore", ".dvc/config", ".dvc/plots", "pipeline")
PROJECT += ("profiles", "reports", "data/raw/elpv.yaml")
OWN = {
    "datasets": {"shapes": {"reader": "folder", "raw": "data/raw/shapes", "labels": ["label"]}},
    "targets": {"stripes": {"dataset": "shapes", "label": "label"}},
    "sources": {"random": {"architecture": "cifar_resnet8", "weights": "random"}},
    "baselines": {"stripes-resnet8": {"target": "stripes", "architecture": "cifar_resnet8"}},
    "transfers": {
        "random-to-stripes": {
            "setting": "inductive",
            "source": "random",
            "target": "stripes",
        }
    },
    "questions": {
        "random-to-stripes": {
            "target": "stripes",
            "arm": "transfers/random-to-stripes",
            "against": "baselines/stripes-resnet8",
        }
    },
}
FAST = {
    "run": {"image_size": 32, "folds": 2, "augmentation": "none"},
    "head": {"epochs": 1, "min_steps": 1},
    "tune": {"unfreeze": 1, "epochs": 1, "min_steps": 1},
    "scratch": {"epochs": 1, "min_steps": 1},
}


def draw_stripes_and_spots(folder, images=40):
    rng = np.random.default_rng(0)
    for index in range(images):
        pixels = rng.integers(0, 90, (40, 40, 3), dtype=np.uint8)
        if index % 2:
            pixels[:, ::4] += 120
        else:
            pixels[10:20, 10:20] += 120
        path = folder / ("stripes" if index % 2 else "spots") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone of the project whose user has replaced all entries of params.yaml by their own."""
    folder = tmp_path_factory.mktemp("clone")
    for item in PROJECT:
        (folder / item).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / item).is_dir():
            shutil.copytree(ROOT / item, folder / item, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / item, folder / item)
    params = read_yaml(folder / "params.yaml")
    for section, values in FAST.items():
        params[section] |= values
    dump_yaml(folder / "params.yaml", params | {section: {} for section in ENTRY_SECTIONS} | OWN)
    draw_stripes_and_spots(folder / "data" / "raw" / "shapes")
    run(folder, "git", "init", "--quiet")
    return folder


def run(folder, *command):
    """Run a command there and hold it to exit code 0; returns what it printed."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": "."}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def commit(folder):
    """All but the images."""
    run(folder, "git", "add", "--all", ".", ":(exclude)data/raw/shapes")
    run(folder, "git", "-c", "user.name=user", "-c", "user.email=user@example.org", "commit", "--quiet", "-m", "mine")


def test_the_check_finds_no_fault(clone):
    assert run(clone, "python", "-m", "pipeline", "check") == ""


@pytest.mark.slow
def test_a_run_answers_this_question_alone(clone):
    run(clone, "python", "-m", "pipeline", "repro")
    metrics = json.loads((clone / "reports" / "metrics.json").read_text(encoding="utf-8"))
    assert set(metrics) == {"random-to-stripes", "run"}
    assert metrics["random-to-stripes"]["label"] in ("positive", "negative")
    assert "random-to-stripes" in (clone / "reports" / "report.md").read_text(encoding="utf-8")
    assert not (clone / "models" / "sources" / "imagenet").exists()


@pytest.mark.parametrize("profile", ["smoke", "labels", "paper", "resolution", "gpu"])
@pytest.mark.slow
def test_a_profile_is_in_order_in_its_workspace(clone, profile):
    into = Path("runs", profile)
    run(clone, "python", "-m", "pipeline", "profile", profile, "--into", str(into))
    assert run(clone / into, "python", "-m", "pipeline", "check") == ""
    asked = set(read_yaml(clone / into / "params.yaml")["questions"])
    assert ("random-to-stripes" in asked) == (profile == "gpu")


@pytest.mark.slow
def test_a_profile_is_an_experiment_of_dvc_beside_the_users_own_run(clone):
    """The clone keeps its params, lock and reports; the experiment holds the profile's."""
    commit(clone)
    (clone / "profiles" / "tiny.yaml").write_text("run: {seed: 8}\n")
    run(clone, "python", "-m", "pipeline", "profile", "tiny")
    raw = "data/raw/shapes"
    run(clone, "dvc", "exp", "run", "--temp", "--copy-paths", raw, "--name", "tiny", "ingest@shapes")
    run(clone, "git", "checkout", "params.yaml")
    assert run(clone, "git", "status", "--porcelain", "--", "params.yaml", "dvc.lock", "reports") == ""
    changed = json.loads(run(clone, "dvc", "params", "diff", "--json", "HEAD", "tiny"))
    assert list(changed["params.yaml"]) == ["run.seed"]
    assert {side: changed["params.yaml"]["run.seed"][side] for side in ("old", "new")} == {"old": 7, "new": 8}
