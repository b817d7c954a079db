"""The stages that train or forecast, on JAX, in a process of their own: Keras takes its backend once."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tiny_world

from pipeline.store.files import check_sealed, read_json, read_npy, read_parquet
from pipeline.store.paths import Paths

pytestmark = pytest.mark.slow  # JAX compiles every network of every stage
ADAPT = ("adabn", "coral", "deep_coral")  # the last one trains
CODE = """
import sys
from pathlib import Path
import keras
import tiny_world
assert keras.backend.backend() == "jax"
root = Path(sys.argv[1])
tiny_world.run_cells(root, "pretrain", "extract", "forecast", "head", "tune", only="defect")
tiny_world.run_cell(root, "scratch", "defect-tiny")
tiny_world.run_cell(root, "adapt", "round-to-square")
"""


@pytest.fixture(scope="module")
def on_jax(world, repository, tmp_path_factory):
    """The paths of a run on JAX, from the datasets, targets and the first source of the finished one."""
    root = tmp_path_factory.mktemp("jax")
    for part in ("data/datasets", "data/targets", "models/sources/tiny"):
        shutil.copytree(world.root / part, root / part)
    head = world.raw["head"] | {"epochs": 2}
    adapt = world.raw["adapt"] | {"methods": list(ADAPT), "epochs": 1}
    tiny_world.write_params(root, world.raw | {"head": head, "adapt": adapt})
    places = [str(repository), str(repository / "tests"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(filter(None, places))}
    command = [sys.executable, "-c", CODE, str(root)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-3000:]
    return Paths(root)


@pytest.fixture(scope="module")
def on_tensorflow(world):
    return Paths(world.root)


@pytest.mark.parametrize(
    ("stage", "kind", "name", "arm"),
    [
        ("head", "heads", "to-defect", "head"),
        ("tune", "transfers", "to-defect", "tuned"),
        ("scratch", "baselines", "defect-tiny", "scratch"),
    ],
)
@pytest.mark.slow
def test_the_arms_train(on_jax, stage, kind, name, arm):
    trained = on_jax.trained(kind, name)
    check_sealed(trained.folder)
    assert sorted(read_parquet(trained.arm(arm).predictions)["row"]) == sorted([*range(48)] * 2)  # repeats
    assert read_json(on_jax.clock(stage, name))["backend"] == "jax"


def test_features_and_their_forecast_are_those_of_tensorflow(on_jax, on_tensorflow):
    """Of the source; random weights, against which it is held, are drawn by the backend."""
    both = (on_jax, on_tensorflow)
    np.testing.assert_allclose(*(read_npy(p.features("to-defect").pooled) for p in both), rtol=1e-3, atol=1e-4)
    scores = [read_json(paths.forecast("to-defect").forecast)["scores"] for paths in both]
    source, expected = ({name: score["source"] for name, score in found.items()} for found in scores)
    assert source.pop("leep") is expected.pop("leep") is None  # the source has no head
    assert source == pytest.approx(expected, rel=1e-3)


def test_a_source_is_pretrained(on_jax, on_tensorflow):
    files = on_jax.source("round-defect")
    check_sealed(files.folder)
    losses = pd.read_csv(files.history)["val_loss"]
    assert losses.iloc[-1] < losses.iloc[0]
    cards = [read_json(paths.source("round-defect").card) for paths in (on_jax, on_tensorflow)]
    assert cards[0]["cost"] == cards[1]["cost"]


def test_a_source_is_adapted(on_jax):
    files = on_jax.trained("adaptations", "round-to-square")
    check_sealed(files.folder)
    found = pd.read_csv(files.candidates).set_index(["fold", "method"])
    assert set(found.index) == {(fold, method) for fold in range(4) for method in ("source_only", *ADAPT)}
    assert np.isfinite(found["criterion"]).all()
    assert found["criterion"][found["chosen"]].tolist() == found["criterion"].groupby("fold").max().tolist()
    reached = found["balanced_accuracy"].unstack()
    assert (reached["coral"] > reached["source_only"]).all()
