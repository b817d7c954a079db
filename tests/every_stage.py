"""Params under which every stage of dvc.yaml has a cell, and the stages as DVC itself resolves them."""

import contextlib
import copy
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import tiny_world
from dvc.repo import Repo
from dvc.stage import PipelineStage
from dvc.utils.serialize import dump_yaml

ROOT = Path(__file__).parents[1]


def raw_params() -> dict[str, Any]:
    """Those of the run in miniature, with an entry where it has none."""
    raw = copy.deepcopy(tiny_world.RAW)
    for entry in (*raw["sources"].values(), *raw["baselines"].values()):
        entry["sha256"] = "0" * 64
    raw["datasets"]["toy"]["raw"] = "data/raw/toy"
    raw["studies"] = {}
    raw["rescaled"] = {"defect-rescaled": {"source": "tiny", "target": "defect", "baseline": "defect-tiny"}}
    return raw


@cache
def dvc_stages() -> dict[str, PipelineStage]:
    """The cells of `raw_params` as DVC resolves them, by their address (`stage@name`, or `stage`)."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # an address is relative to where one is
        shutil.copy(ROOT / "dvc.yaml", folder)
        dump_yaml(Path(folder, "params.yaml"), raw_params())
        return {stage.addressing: stage for stage in Repo.init(folder, no_scm=True).index.stages}
