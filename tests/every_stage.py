"""Params under which every stage of dvc.yaml has a cell, and the stages as DVC itself resolves them."""

import contextlib
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from dvc.stage import PipelineStage
from dvc.utils.serialize import dump_yaml

from pipeline.store.yaml import read_yaml

ROOT = Path(__file__).parents[1]


def raw_params() -> dict[str, Any]:
    """The params of the tests, which have an entry in every section."""
    raw: dict[str, Any] = read_yaml(ROOT / "tests" / "params.yaml")
    return raw


@cache
def dvc_stages() -> dict[str, PipelineStage]:
    """The cells of `raw_params` as DVC resolves them, by their address (`stage@name`, or `stage`)."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # an address is relative to where one is
        shutil.copy(ROOT / "dvc.yaml", folder)
        dump_yaml(Path(folder, "params.yaml"), raw_params())
        return {stage.addressing: stage for stage in Repo.init(folder, no_scm=True).index.stages}
