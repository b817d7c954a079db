"""Trainings in worker processes: the same bytes as in this one, one bar, and one message where a worker dies."""

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import joblib
import pytest
import tiny_world
import toy_fold
from two_nodes import two_nodes

from pipeline.arms import parallel
from pipeline.arms.keeping import kept_folds
from pipeline.arms.networks import ScratchNetwork
from pipeline.arms.spec import sweep
from pipeline.arms.train import train_arm, train_fold
from pipeline.runner import clock
from pipeline.runner.workers import parallel_trainings, prepare_worker
from pipeline.store.errors import InputError
from pipeline.store.files import sha256_file
from pipeline.store.kept import Store
from pipeline.store.outs import TrainedPaths

FOLDS = (0, 1, 2)
# the same trainings one after another in a process that is set up as the runner does
ALONE = """
import pickle, sys
from pathlib import Path
from pipeline.networks.device import use_device
use_device("cpu")
from pipeline.arms.train import train_arm
from pipeline.store.kept import Store
from pipeline.store.outs import TrainedPaths
folder = Path(sys.argv[1])
specs = pickle.loads((folder / "specs").read_bytes())
out, store = TrainedPaths(folder / "one" / "out"), Store(folder / "one" / "kept")
train_arm(specs, "scratch", out, store, "scratch@cells", {"target": "cells"})
"""


@pytest.fixture
def specs(tmp_path):
    """Three folds of a small network with batch normalization and a depthwise convolution, from pixels."""
    table = toy_fold.examples()
    turns = [table["role_0"]]
    for _ in FOLDS[1:]:
        turns.append(turns[-1].map({"train": "train", "validation": "test", "test": "validation"}))
    table = table.assign(**{f"role_{fold}": role for fold, role in enumerate(turns)})
    folder = toy_fold.write_inputs(tmp_path / "inputs", table, tiny_world.pixels(tiny_world.manifest()))
    sha256 = tiny_world.write_backbone(folder / "own.keras")
    network = ScratchNetwork(str(folder / "own.keras"), tiny_world.SIZE, 2, 0.9, sha256)
    changes = {"arm": "scratch", "kind": "pixels", "network": network, "augmentation": "mirror"}
    return [replace(toy_fold.head_spec(folder, fold=fold), settings=sweep([1e-2]), **changes) for fold in FOLDS]


@pytest.fixture
def two_workers(monkeypatch):
    monkeypatch.setattr(parallel, "LEAST_IMAGES", 0)
    with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=1, initializer=prepare_worker):
        yield


def arm(specs, folder, call=train_fold):
    out = TrainedPaths(folder / "out")
    train_arm(specs, "scratch", out, Store(folder / "kept"), "scratch@kept", {"target": "cells"}, call=call)
    return digests(folder)


def digests(folder):
    return {path.relative_to(folder): sha256_file(path) for path in (folder / "out").rglob("*") if path.is_file()}


def pid_of(spec):
    Path(spec.inputs.parent, f"pid{spec.fold}").write_text(str(os.getpid()))
    return train_fold(spec)


def die(spec):
    if spec.fold == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return train_fold(spec)


def refuse(spec):
    raise InputError(f"fold {spec.fold} is refused")


def digests_alone(specs, folder, repository):
    """Of the arm, trained in one process."""
    (folder / "specs").write_bytes(pickle.dumps(specs))
    environment = os.environ | {"PYTHONPATH": str(repository)}
    subprocess.run([sys.executable, "-c", ALONE, str(folder)], env=environment, check=True, timeout=120)
    return digests(folder / "one")


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_bytes(tmp_path, repository, specs, two_workers):
    together = arm(specs, tmp_path / "two", pid_of)
    pids = {(specs[0].inputs.parent / f"pid{fold}").read_text() for fold in FOLDS}
    assert str(os.getpid()) not in pids
    assert len(together) == 3 + 4 + 2  # networks, tables, facts and the seal
    assert digests_alone(specs, tmp_path, repository) == together


@pytest.mark.slow
@pytest.mark.parametrize("outside", [False, True], ids=["HOST:PORT", "ray://HOST:PORT"])
def test_a_cluster_gives_the_same_bytes(tmp_path, repository, specs, monkeypatch, outside):
    """By `run.cluster`, from one of its machines and from outside."""
    monkeypatch.setattr(parallel, "LEAST_IMAGES", 0)
    monkeypatch.chdir(tmp_path)
    port, counted = free_port(), clock.cpu_seconds()
    with (
        two_nodes(**({"ray_client_server_port": port} if outside else {})) as (two, _),
        parallel_trainings("auto", f"ray://127.0.0.1:{port}" if outside else two.address),
    ):
        together = arm(specs, tmp_path / "cluster")
    assert clock.cpu_seconds() - counted > 3, "what was computed elsewhere counts"
    assert digests_alone(specs, tmp_path, repository) == together


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@pytest.mark.slow
def test_a_small_arm_stays_in_this_process(tmp_path, specs, two_workers, monkeypatch):
    monkeypatch.setattr(parallel, "LEAST_IMAGES", 10**9)
    arm(specs, tmp_path, pid_of)
    assert (specs[0].inputs.parent / "pid0").read_text() == str(os.getpid())


@pytest.mark.slow
def test_without_a_configuration_an_arm_stays_in_this_process(tmp_path, specs, monkeypatch):
    monkeypatch.setattr(parallel, "LEAST_IMAGES", 0)
    arm(specs, tmp_path, pid_of)
    assert (specs[0].inputs.parent / "pid0").read_text() == str(os.getpid())


@pytest.mark.slow
def test_an_arm_stays_in_this_process_while_other_cells_use_all_cores(tmp_path, specs, two_workers, monkeypatch):
    free = iter([0, 5])
    monkeypatch.setattr(parallel, "free_cores", lambda: next(free))
    arm(specs, tmp_path, pid_of)
    pids = [(specs[0].inputs.parent / f"pid{fold}").read_text() == str(os.getpid()) for fold in FOLDS]
    assert pids == [True, False, False]


@pytest.mark.slow
def test_a_worker_that_dies_is_one_message_and_finished_trainings_are_kept(tmp_path, specs, two_workers):
    with pytest.raises(InputError, match=r"kept: a worker process ended.*Set `run\.workers` below 2"):
        arm(specs, tmp_path, die)
    assert not (tmp_path / "out").exists()
    trained = []
    with joblib.parallel_config(n_jobs=1):
        arm(specs, tmp_path, lambda spec: trained.append(spec.fold) or train_fold(spec))
    assert 1 in trained


@pytest.mark.slow
def test_a_fault_of_the_user_in_a_worker_is_its_own_message(tmp_path, specs, two_workers):
    with pytest.raises(InputError, match=r"^fold \d is refused$"):
        arm(specs, tmp_path, refuse)


def test_planned_images_are_those_that_are_seen(tmp_path, specs):
    planned = parallel.planned_images(specs[0])
    result = train_fold(specs[0])
    assert result.cost["images_seen"] == planned
    assert len(kept_folds(Store(tmp_path / "kept"), specs)) == len(FOLDS)


INTERRUPTED = """
import signal, sys, time
import joblib
from pipeline.arms import parallel

class Long:
    def run(self):
        time.sleep(60)

signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    with joblib.parallel_config("loky", n_jobs=2):
        print("begun", flush=True)
        parallel._run_in_workers([Long(), Long()], 2, "scratch@cells")
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("seconds", [0.7, 6])
@pytest.mark.slow
def test_ctrl_c_ends_workers_without_a_word(repository, seconds):
    """Also while they import, when nothing in them handles it yet."""
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        env=os.environ | {"PYTHONPATH": str(repository)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "begun\n"
    time.sleep(seconds)
    while process.poll() is None:  # while workers are started it is ignored
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        time.sleep(5)
    _, stderr = process.communicate()
    assert process.returncode == 130 and "KeyboardInterrupt" not in stderr
