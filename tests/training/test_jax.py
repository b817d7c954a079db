"""The training stages on JAX, in a process of their own: Keras takes its backend once."""

import os
import shutil
import subprocess
import sys

import numpy as np
import tiny_world

from pipeline.frame.io import check_sealed, read_json, read_npy, read_parquet
from pipeline.frame.paths import Paths

CODE = """
import sys
from pathlib import Path
import keras
import tiny_world
assert keras.backend.backend() == "jax"
tiny_world.run_cells(Path(sys.argv[1]), "extract", "head", "tune", "scratch", only="defect")
"""


def test_the_arms_train_on_jax(world, repository, tmp_path):
    root = tmp_path / "jax"
    for part in ("data/datasets", "data/targets", "models/sources"):
        shutil.copytree(world.root / part, root / part)
    tiny_world.write_params(root, world.raw | {"head": world.raw["head"] | {"l2": [0.0], "epochs": 2}})
    places = [str(repository), str(repository / "tests"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(filter(None, places))}
    command = [sys.executable, "-c", CODE, str(root)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-3000:]
    on_jax, on_tensorflow = Paths(root), Paths(world.root)
    features = [read_npy(paths.features("to-defect").pooled) for paths in (on_jax, on_tensorflow)]
    np.testing.assert_allclose(*features, rtol=1e-3, atol=1e-4)
    for stage, name in (("head", "to-defect"), ("tune", "to-defect"), ("scratch", "defect-tiny")):
        files = on_jax.arm(stage, name)
        check_sealed(files.folder)
        assert sorted(read_parquet(files.predictions)["row"]) == list(range(48))
        assert read_json(on_jax.clock(stage, name))["backend"] == "jax"
