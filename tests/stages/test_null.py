"""null: two baselines, judged as a transfer is; nothing is to be found between them."""

import numpy as np
import pandas as pd
import pytest
import tiny_world

from pipeline.store.files import check_sealed, read_json, read_parquet, replacing_folder, write_parquet
from pipeline.store.outs import ArmPaths
from pipeline.store.paths import Paths

NAME = "defect-null"


@pytest.fixture(scope="module")
def paths(world):
    return Paths(world.root)


def test_it_writes_what_evaluate_writes(paths):
    null, transfer = paths.transfer(NAME), paths.transfer("to-defect")
    check_sealed(null.folder)
    written = {file.name for file in transfer.folder.iterdir()} - {transfer.contact_sheet.name}
    assert {file.name for file in null.folder.iterdir()} == written  # where nothing is to be found, nothing is shown
    verdict = read_json(null.verdict)
    assert verdict["control"] == "null"
    assert (verdict["arm"], verdict["against"], list(verdict["verdicts"])) == ("again", "scratch", ["again"])
    assert set(read_json(null.metrics)) == {"again", "scratch"}
    assert verdict["classes"] == sorted([tiny_world.BAD, tiny_world.GOOD])


def test_scratch_is_the_baseline_and_again_the_other(paths):
    metrics = read_json(paths.transfer(NAME).metrics)
    assert metrics["scratch"] == read_json(paths.transfer("to-defect").metrics)["scratch"]
    spent = read_json(paths.transfer(NAME).verdict)["compute"]
    assert spent["again_gflops"] == read_json(paths.arm("scratch", "defect-again").cost)["gflops"]


def test_each_trainings_curve_begins_at_nothing(paths):
    curves = pd.read_csv(paths.transfer(NAME).plot("learning_curves"))
    assert set(curves["arm"]) == {"again", "scratch"}
    assert (curves.groupby(["arm", "fold"])["images_seen"].min() == 0).all()
    assert (curves[curves["images_seen"] == 0]["gflops"] < curves["gflops"].max() / 2).all()
    saving = pd.read_csv(paths.transfer(NAME).plot("saving"))
    assert saving.groupby("arm")["gflops"].min().to_dict() == {"again": 0, "scratch": 0}


def test_a_difference_that_is_there_is_found(world_copy):
    """Against an arm that is nearly always wrong: the instrument sees it, so a null that holds says something."""
    copied = world_copy()
    files = Paths(copied.root).arm("scratch", "defect-again")
    table = read_parquet(files.predictions)
    right = {name: (table["label"] == name).to_numpy() for name in (tiny_world.BAD, tiny_world.GOOD)}
    others = {path.name: path.read_bytes() for path in files.folder.iterdir()}
    with replacing_folder(files.folder) as folder:
        for name, content in others.items():
            (folder / name).write_bytes(content)
        lucky = table["row"].to_numpy() % 8 == 0
        wrong = {f"p_{name}": np.where(of == lucky, 0.9, 0.1) for name, of in right.items()}
        write_parquet(ArmPaths(folder).predictions, table.assign(**wrong))
    tiny_world.run_cell(copied.root, "null", NAME)
    judged = read_json(Paths(copied.root).transfer(NAME).verdict)["verdicts"]["again"]
    assert (judged["label"], judged["evidence"]) == ("negative", "conclusive")
    tiny_world.run_cell(copied.root, "report", None)
    run = read_json(Paths(copied.root).report_metrics)["run"]
    assert run["controls"] == "failed" and run["failed_controls"] == [NAME]
