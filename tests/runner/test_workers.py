"""How many trainings run at once."""

import os
import subprocess
import sys
from pathlib import Path

import joblib
import pytest

from pipeline.config.loading import load_params
from pipeline.runner import workers
from pipeline.runner.surroundings import MEMORY_ON_DEMAND, fixed
from pipeline.runner.workers import free_memory, parallel_trainings, share_memory, trainings_at_once, worker_count


def run_section(**changes):
    return load_params(Path(__file__).parents[1] / "params.yaml").run.model_copy(update=changes)


def test_a_number_is_taken_as_it_is():
    assert worker_count(7, memory=0) == 7


@pytest.mark.parametrize(("gigabytes", "expected"), [(0, 1), (1, 1), (4, 2), (7, 3), (1000, 5)])
def test_auto_is_all_cores_as_far_as_memory_lasts(monkeypatch, gigabytes, expected):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 5)
    assert worker_count("auto", gigabytes * 2**30) == expected


def test_a_container_s_limit_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "CGROUP", tmp_path)
    whole = free_memory()
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert free_memory() > whole / 2
    (tmp_path / "memory.max").write_text("3000\n")
    assert free_memory() == 2000


@pytest.mark.parametrize(("setting", "expected"), [("auto", 1), (1, 1), (4, 4)])
def test_an_accelerator_is_shared_by_as_many_trainings_as_a_number_says(monkeypatch, setting, expected):
    monkeypatch.setattr(workers, "device_name", lambda: "gpu:0")
    with parallel_trainings(setting):
        assert joblib.effective_n_jobs(None) == expected
    monkeypatch.setattr(workers, "keras_uses_gpu", lambda: True)
    assert trainings_at_once(run_section(device="auto", workers=setting)) == expected


def test_on_a_cpu_a_number_of_workers_is_taken_as_it_is(monkeypatch):
    monkeypatch.setattr(workers, "device_name", lambda: "cpu")
    monkeypatch.setattr(workers, "keras_uses_gpu", lambda: True)
    with parallel_trainings(4):
        assert joblib.effective_n_jobs(None) == 4
    assert trainings_at_once(run_section(device="cpu", workers=4)) == 4


@pytest.mark.parametrize(("answer", "expected"), [("gpu:0", True), ("cpu", False), ("", False)])
def test_a_card_counts_where_keras_uses_it(monkeypatch, answer, expected):
    workers.keras_uses_gpu.cache_clear()
    monkeypatch.setattr(workers, "ASK_KERAS", f"print({answer!r})")
    monkeypatch.setattr(workers, "gpu_names", lambda: ["a card"])
    assert workers.keras_uses_gpu() is expected
    workers.keras_uses_gpu.cache_clear()


def test_keras_answers_what_it_is_asked(monkeypatch, repository):
    monkeypatch.chdir(repository)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    done = subprocess.run([sys.executable, "-c", workers.ASK_KERAS], capture_output=True, text=True, check=True)
    assert done.stdout == "cpu\n"


def test_trainings_that_share_a_card_leave_memory_to_each_other(monkeypatch):
    for name in MEMORY_ON_DEMAND:
        monkeypatch.delenv(name, raising=False)
    share_memory(run_section(device="auto", workers="auto"))
    assert not os.environ.keys() & MEMORY_ON_DEMAND, "one training has the card for itself"
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
    share_memory(run_section(device="auto", workers=3))
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "true", "the user's own word stands"
    assert {name: os.environ[name] for name in MEMORY_ON_DEMAND}.items() <= fixed(os.environ).items(), "workers get it"
