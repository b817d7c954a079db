"""Faults that the pipeline survives: `kill -9` in the middle of writing, and surroundings that are not the author's."""

import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny_world
from PIL import Image

from pipeline.store import files as io

# for every line that it is given, starts a process that writes without end; tells its pid, and when it is gone
WRITERS = """
import os, sys
from pathlib import Path
import numpy as np, pandas as pd
from pipeline.store import files as io

def write(root, version):
    io.write_json(root / "file.json", {"version": version, "rest": ["x" * 99] * 99})
    with io.replacing_folder(root / "out") as folder:
        io.write_json(folder / "version.json", version)
        io.write_npy(folder / "deep" / "array.npy", np.full(30_000, version))
        io.write_parquet(folder / "table.parquet", pd.DataFrame({"version": [version] * 99}))

if __name__ == "__main__":
    for line in sys.stdin:
        writer, version = os.fork(), 0
        while writer == 0:
            version += 1
            write(Path(sys.argv[1]), version)
        print(writer, flush=True)
        os.waitpid(writer, 0)
        print("gone", flush=True)
"""
KILLS = 20
STAGES = """
import sys
from pathlib import Path
from pipeline.runner.stage import run_stage
for stage, name in (("ingest", "toy"), ("split", "defect")):
    run_stage(stage, name, Path(sys.argv[1]))
"""


def digests(folder):
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture
def writers(repository, tmp_path):
    (tmp_path / "writers.py").write_text(WRITERS)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "writers.py"), str(tmp_path / "killed")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(repository)},
    )
    yield process
    process.stdin.close()
    process.wait()
    process.stdout.close()


def test_kill_9_while_an_out_is_written_leaves_the_old_one_or_none_and_a_rerun_the_same_bytes(writers, tmp_path):
    killed, whole, written = tmp_path / "killed", tmp_path / "whole", set()
    rng = np.random.default_rng(9)
    for _ in range(KILLS):
        print(file=writers.stdin, flush=True)
        writer = int(writers.stdout.readline())
        time.sleep(rng.uniform(0, 0.3))
        os.kill(writer, 9)
        assert writers.stdout.readline() == "gone\n"
        if (killed / "file.json").exists():
            assert len(json.loads((killed / "file.json").read_text())["rest"]) == 99
        if (killed / "out").exists():
            out = io.check_sealed(killed / "out")
            version = io.read_json(out / "version.json")
            assert set(np.load(out / "deep" / "array.npy")) == {version}
            assert set(io.read_parquet(out / "table.parquet")["version"]) == {version}
            written.add(version)
    assert written, "no writer came to the end of an out: the kills were too early to tell anything"
    namespace = {"__name__": "writers"}
    exec(WRITERS, namespace)
    for root in (killed, whole):
        namespace["write"](root, 7)
    assert digests(killed / "out") == digests(whole / "out")
    assert not [path for path in killed.iterdir() if path.is_dir() and path.name != "out"]  # no stump


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A folder of images whose names and classes sort, fold and encode in their own way in every locale."""
    root = tmp_path_factory.mktemp("raw")
    rng = np.random.default_rng(5)
    for index in range(48):
        path = root / "raw" / ("İstanbul", "ısı")[index % 2] / f"{('I', 'i', 'Ä', 'z')[index % 4]}{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 48), dtype=np.uint8)).save(path)
    params = copy.deepcopy(tiny_world.RAW)
    params["datasets"]["toy"] = {"reader": "folder", "raw": "raw", "labels": ["label"]}
    params["targets"] = {name: {"dataset": "toy", "label": "label"} for name in params["targets"]}
    params["pretrained"]["round-defect"] |= {"label": "label", "where": {}}
    for section in ("sources", "baselines"):
        for entry in params[section].values():
            entry |= {"architecture": "MobileNetV2", "sha256": None}
    params["sources"]["tiny"] = {"architecture": "MobileNetV2", "weights": "imagenet"}
    tiny_world.write_params(root, params)
    return root


def made(repository, workspace, folder=None, **environment):
    """The bytes of ingest and split, made by a process of its own in `folder`."""
    base = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "TZ", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-c", STAGES, "." if folder is None else str(workspace)],
        cwd=folder or workspace,
        env=base | {"PYTHONPATH": str(repository)} | environment,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return digests(workspace / "data")


@pytest.fixture(scope="module")
def expected(repository, raw, tmp_path_factory):
    workspace = tmp_path_factory.mktemp("expected") / "here"
    shutil.copytree(raw, workspace)
    return made(repository, workspace, LC_ALL="C.UTF-8", TZ="UTC", PYTHONHASHSEED="0")


@pytest.mark.parametrize(
    "surroundings",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "utf-8"},
        {"LC_ALL": "POSIX", "LANG": "tr_TR.ISO-8859-9"},
        {"TZ": "Pacific/Kiritimati"},
        {"PYTHONHASHSEED": "4711"},
        {"folder": "/"},
    ],
    ids=["locale without UTF-8", "another locale", "time zone", "hash seed", "working directory"],
)
@pytest.mark.slow
def test_locale_time_zone_hash_seed_working_directory_changed(repository, raw, tmp_path, expected, surroundings):
    workspace = tmp_path / "elsewhere with a blank, ü"
    shutil.copytree(raw, workspace)
    assert len(expected) > 5
    assert made(repository, workspace, **surroundings) == expected
