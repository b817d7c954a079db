"""The command line: exit codes, one message for a user's mistake, the printed table."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_world

from pipeline.cli import main
from pipeline.runner.stage import locked
from pipeline.store.files import write_text
from pipeline.store.kept import Store
from pipeline.store.paths import Paths


@pytest.fixture
def cli(repository, tmp_path):
    """Run `python -m pipeline` in a folder of its own, as DVC does."""

    def run(*arguments, cwd=tmp_path, **environment):
        environment = os.environ | {"PYTHONPATH": str(repository)} | environment
        command = [sys.executable, "-m", "pipeline", *arguments]
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)

    return run


def refused(result, *words):
    assert result.returncode == 2, result
    assert "Traceback" not in result.stderr and result.stdout == ""
    assert all(word in result.stderr for word in words), result.stderr


def test_a_stage_that_is_done_exits_0_with_one_line(cli, toy):
    result = cli("split", "defect")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("split@defect: 48 images") and result.stdout.count("\n") == 1


def test_a_stage_without_keras_does_not_import_it(cli, toy):
    result = cli("split", "defect", PYTHONPROFILEIMPORTTIME="1")
    assert result.returncode == 0 and "sklearn" in result.stderr
    assert not re.search(r"\| +(tensorflow|keras)\b", result.stderr)  # whole modules of their own


def test_an_unknown_stage_or_name_exits_2(cli, toy):
    refused(cli("splitt", "defect"), "invalid choice", "splitt")
    refused(cli("split", "defects"), "error: ", "defect, kind")
    refused(cli("split"), "received None")


def test_a_folder_without_dvc_yaml_exits_2_and_help_is_given_all_the_same(cli, tmp_path):
    for command in ("split", "check", "table"):
        refused(cli(command), "dvc.yaml has 1 fault", "does not exist; run the command in the folder of dvc.yaml")
    result = cli("--help")
    assert result.returncode == 0 and "profile" in result.stdout and "dvc.yaml" in result.stdout


def test_help_lists_the_stages_of_dvc_yaml(cli, toy):
    result = cli("--help")
    assert result.returncode == 0 and "stage, one cell an entry of `pretrained`" in result.stdout


@pytest.mark.slow
def test_the_store_is_described_and_made_smaller(cli, toy):
    Store(Paths(toy).store).make("c" * 64, lambda folder: write_text(folder / "content", "kept"))
    told = cli("store")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("store: 1 results, 0.00 GB of at most 10 (run.store_gb)")
    pruned = cli("store", "--prune", "0")
    assert (pruned.returncode, pruned.stdout) == (0, "store: 1 results (0.00 GB) deleted, 0 (0.00 GB) left\n")
    assert cli("store").stdout == "store: empty\n"
    refused(cli("store", "--prune", "much"), "--prune", "invalid gigabytes", "much")


def test_faults_of_params_exit_2_all_at_once(cli, toy):
    text = (toy / "params.yaml").read_text()
    (toy / "params.yaml").write_text(text.replace("folds: 2", "folds: -2").replace("patience:", "patiense:"))
    refused(cli("split", "defect"), "run.folds", "head.patiense", "tune.patiense", "did you mean 'patience'?")
    (toy / "params.yaml").unlink()
    refused(cli("split", "defect"), "does not exist")


def test_a_damaged_input_exits_2(cli, toy):
    with Paths(toy).dataset("toy").images.open("r+b") as file:
        file.seek(500)
        file.write(b"\x00\xff\x00")
    refused(cli("split", "defect"), "images.npy is damaged")
    assert not Paths(toy).target("defect").folder.exists()


def test_standard_output_on_a_full_disk_or_without_a_reader_is_no_traceback(repository, toy):
    command = [sys.executable, "-m", "pipeline", "store"]
    given = {"cwd": toy, "env": os.environ | {"PYTHONPATH": str(repository)}, "stderr": subprocess.PIPE, "text": True}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, **given)
    assert done.returncode == 2 and "the disk is full" in done.stderr and "Traceback" not in done.stderr, done
    assert len(done.stderr.splitlines()) == 1
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, **given)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_fault_of_ours_exits_1_with_its_traceback(cli, toy):
    shutil.rmtree(toy / "data" / "datasets" / "toy")
    folder = Paths(toy).dataset("toy").folder
    table = tiny_world.manifest().drop(columns="cluster")  # a manifest that ingest never writes
    tiny_world.write_dataset(folder, table)
    result = cli("split", "defect")
    assert result.returncode == 1 and "Traceback" in result.stderr


@pytest.mark.slow
def test_no_gpu_when_one_is_demanded_exits_2(cli, toy):
    text = (toy / "params.yaml").read_text()
    (toy / "params.yaml").write_text(text.replace("device: cpu", "device: gpu"))
    result = cli("source", "tiny", CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu")
    refused(result, "run.device is 'gpu', but Keras finds none", "set run.device to 'auto' or 'cpu'")
    assert not Paths(toy).source("tiny").folder.exists()


def test_an_unknown_profile_exits_2(cli, toy):
    refused(cli("profile", "huge"), "No profile 'huge'")


def test_the_table_before_a_run_exits_2(cli, toy):
    refused(cli("table"), "Run `dvc repro` first")


def test_the_table_shows_every_transfer(cli, world):
    result = cli("table", cwd=world.root, COLUMNS="200")
    assert result.returncode == 0, result.stderr
    for transfer in world.raw["transfers"]:
        assert result.stdout.count(transfer) >= 2


def test_check_tells_all_missing_raw_data_at_once(cli, toy):
    refused(cli("check"), "datasets.toy.raw", "'raw' does not exist", "Put the data there")


def test_a_message_of_many_faults_is_bounded_and_names_a_file_with_all(cli, toy):
    text = (toy / "params.yaml").read_text()
    (toy / "params.yaml").write_text(text + "".join(f"unknown-{number}: 1\n" for number in range(40)))
    result = cli("split", "defect")
    refused(result, "has 40 faults", f"All of it: {Paths().message('split-defect')}")
    assert result.stderr.count("\n") <= 12
    assert "unknown-39" in Paths(toy).message("split-defect").read_text()


def test_in_a_folder_of_the_project_the_right_one_is_named(cli, toy):
    (toy / "docs").mkdir()
    for words in (["doctor"], ["check"], ["split", "defect"]):
        refused(cli(*words, cwd=toy / "docs"), f"run the command in the folder of dvc.yaml: `cd {toy}`")


def test_a_backend_that_is_not_there_is_refused_before_a_run(cli, toy):
    (toy / "raw").mkdir()
    for command in ("check", "repro"):
        refused(cli(command, KERAS_BACKEND="theano"), "KERAS_BACKEND is 'theano'", "Unset it")


def test_a_second_run_in_a_folder_is_refused_and_so_is_a_profile_into_it(toy, monkeypatch, capsys):
    monkeypatch.setattr("pipeline.commands.heal.PATIENCE", 0.1)
    monkeypatch.setattr("pipeline.cli.PATIENCE", 0.1)
    monkeypatch.chdir(toy)
    with locked(Paths(toy).run_lock):
        for command in (["repro"], ["profile", "smoke", "--into", str(toy)]):
            assert main(command) == 2
            assert f"repro is being run by process {os.getpid()}" in capsys.readouterr().err


def test_the_doctor_exits_0_with_one_line_or_2_with_the_remedy(cli, toy):
    result = cli("doctor")
    assert (result.returncode, result.stderr, result.stdout.count("\n")) == (0, "", 1)
    (toy / "dvc.lock").write_text("schema: '2.0'\nstag")
    refused(cli("doctor"), "dvc.lock is truncated", "git checkout -- dvc.lock")
