"""Transfers in DVC's model registry: registered by GTO, fetched by DVC, without any server."""

import copy
import os
import sys

import pytest
import tiny_repository
import tiny_world
from tiny_repository import git

from pipeline.commands.artifacts import FILE, artifacts, keep_in_step
from pipeline.config.loading import check_params
from pipeline.store.files import write_text
from pipeline.store.paths import Paths
from pipeline.store.yaml import read_yaml

STAGES = """
stages:
  tune:
    foreach: [to-defect, to-kind]
    do:
      cmd: mkdir -p models/transfers/${item} && echo ${item} > models/transfers/${item}/fold0.keras
      outs: ["models/transfers/${item}"]
"""


@pytest.fixture(scope="module")
def params():
    raw = copy.deepcopy(tiny_world.RAW)
    for section in ("sources", "baselines"):
        for entry in raw[section].values():
            entry |= {"architecture": "MobileNetV2"}
    raw["sources"]["tiny"]["weights"] = "random"
    return check_params(raw)


def test_a_registered_transfer_is_fetched_elsewhere_and_nothing_becomes_stale(params, tmp_path, monkeypatch):
    def dvc(*arguments):  # in a process of its own: it may close the stream that it was given
        return tiny_repository.run(origin, sys.executable, "-m", "dvc", *arguments, env=dict(os.environ))

    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    origin = tmp_path / "origin"
    write_text(origin / "dvc.yaml", STAGES)
    write_text(origin / ".gitignore", (tiny_repository.ROOT / ".gitignore").read_text("utf-8"))
    git(origin, "init", "--quiet", "--initial-branch", "main")
    dvc("init", "-q")
    dvc("remote", "add", "-q", "--default", "storage", str(tmp_path / "remote"))
    dvc("repro", "-q")
    dvc("push", "-q")
    write_text(origin / FILE, artifacts(params))
    assert "up to date" in dvc("status")
    tiny_repository.commit(origin, "the run")
    assert git(origin, "ls-files", FILE) == FILE
    identity = {f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    gto = (sys.executable, "-c", "from gto.cli import app; app()")
    tiny_repository.run(origin, *gto, "register", "models:to-kind", env=os.environ | identity)
    assert git(origin, "tag") == "models=to-kind@v0.0.1"
    dvc("artifacts", "get", str(origin), "models:to-kind", "--rev", "v0.0.1", "--out", str(tmp_path / "got"))
    assert (tmp_path / "got" / "fold0.keras").read_text() == "to-kind\n"


def test_the_file_follows_params_unless_it_was_deleted(params, tmp_path, capsys):
    paths = Paths(tmp_path)
    keep_in_step(params, paths)
    assert not (tmp_path / FILE).exists()
    write_text(tmp_path / FILE, "artifacts: {}\n")
    keep_in_step(params, paths)
    assert "written anew" in capsys.readouterr().out
    found = read_yaml(tmp_path / FILE)["artifacts"]
    assert found["to-kind"] | {"desc": ""} == {
        "path": "transfers/to-kind", "type": "model", "desc": "", "labels": ["inductive", "tiny", "kind"],
    }  # fmt: skip
    assert list(found) == list(params.transfers)
    keep_in_step(params, paths)
    assert capsys.readouterr().out == ""


def test_a_project_without_transfers_has_a_file_that_dvc_reads(params, tmp_path):
    from dvc.repo import Repo

    write_text(tmp_path / "dvc.yaml", artifacts(params.model_copy(update={"transfers": {}})))
    assert Repo(str(tmp_path), uninitialized=True).artifacts.read() == {}
    write_text(tmp_path / "dvc.yaml", artifacts(params))
    found = Repo(str(tmp_path), uninitialized=True).artifacts.read()["dvc.yaml"]
    assert found["to-kind"].labels == ["inductive", "tiny", "kind"]
