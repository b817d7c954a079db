"""The stage runner: one process a cell, named by its pid; deps checked before a stage begins; params as tracked."""

import os
import shutil
import subprocess
import sys

import pytest
import tiny_world

from pipeline.runner.declaration import Cell
from pipeline.runner.stage import check_deps, locked
from pipeline.store.errors import InputError
from pipeline.store.files import seal, write_text
from pipeline.store.kept import Store
from pipeline.store.paths import Paths
from pipeline.store.yaml import read_yaml

HOLD = """
import sys, time
from pathlib import Path
from pipeline.runner.stage import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def started(repository, code, *arguments):
    environment = os.environ | {"PYTHONPATH": str(repository)}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True, env=environment
    )


def test_a_lock_that_is_held_is_refused_by_the_pid_of_its_holder(repository, tmp_path):
    path = tmp_path / "locks" / "tune@cells.lock"
    holder = started(repository, HOLD, path)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"tune@cells is being run by process {holder.pid}"), locked(path):
            pass
        holder.kill()  # as kill -9: nothing of the holder's runs any more
        holder.wait()
        with locked(path):
            assert path.read_text() == str(os.getpid())
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_a_lock_is_free_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), locked(tmp_path / "a.lock"):
        raise RuntimeError
    with locked(tmp_path / "a.lock"):
        pass


@pytest.mark.parametrize(("limit", "left"), [(0, 0), (1, 2)])
def test_a_cell_ends_with_a_store_of_at_most_the_size_that_params_allow(toy, limit, left):
    raw = read_yaml(toy / "params.yaml")
    raw["run"]["store_gb"] = limit
    tiny_world.write_params(toy, raw)
    store = Store(Paths(toy).store)
    for key in ("aa" + "0" * 62, "bb" + "0" * 62):
        store.make(key, lambda folder: write_text(folder / "content", "kept"))
    tiny_world.run_cell(toy, "split", "defect")
    assert len(store.entries()) == left


def test_locks_of_other_cells_do_not_matter(tmp_path):
    with locked(tmp_path / "a.lock"), locked(tmp_path / "b.lock"):
        pass


def damaged(file):
    with file.open("r+b") as opened:
        opened.seek(200)
        opened.write(b"\x00\xff\x00")


def test_a_damaged_or_absent_dep_is_refused_before_the_stage_begins(toy):
    out = Paths(toy).target("defect").folder
    damaged(Paths(toy).dataset("toy").images)
    with pytest.raises(InputError, match=r"images\.npy is damaged: sha256 .*Delete data/datasets/toy and run"):
        tiny_world.run_cell(toy, "split", "defect")
    shutil.rmtree(toy / "data" / "datasets" / "toy")
    with pytest.raises(InputError, match=r"^data/datasets/toy is absent or was never finished\. Run `dvc repro`"):
        tiny_world.run_cell(toy, "split", "defect")
    assert not out.exists()


def test_folders_below_a_dep_are_checked_at_any_depth_and_files_and_other_folders_are_not(tmp_path):
    def cell(stage, deps=(), outs=()):
        return Cell(stage, "x", (), deps, outs)

    deep, beside = tmp_path / "models" / "deep" / "x", tmp_path / "models-old"
    for folder in (deep, beside):
        folder.mkdir(parents=True)
        (folder / "weights").write_text("as written")
        seal(folder)
    made = [cell("a", outs=("models/deep/x", "models/clock.json")), cell("b", outs=("models-old",))]
    check_deps(cell("c", deps=("models", "pipeline/code.py")), made, tmp_path)
    (beside / "weights").write_text("damaged")
    check_deps(cell("c", deps=("models",)), made, tmp_path)
    (deep / "weights").write_text("damaged")
    with pytest.raises(InputError, match="weights is damaged"):
        check_deps(cell("c", deps=("models",)), made, tmp_path)


def test_a_stage_cannot_read_a_param_that_dvc_yaml_does_not_track_for_it(toy):
    text = (toy / "dvc.yaml").read_text()
    assert text.count("        - run.protocol\n        - run.validation_fraction\n") == 1  # of stage split
    (toy / "dvc.yaml").write_text(text.replace("        - run.protocol\n        - run.validation_fraction\n", ""))
    with pytest.raises(AttributeError, match="protocol"):
        tiny_world.run_cell(toy, "split", "defect")
    assert not Paths(toy).target("defect").folder.exists()
