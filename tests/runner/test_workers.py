"""How many trainings run at once."""

import joblib
import pytest

from pipeline.runner import workers
from pipeline.runner.workers import free_memory, parallel_trainings, worker_count


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


def test_an_accelerator_is_used_by_one_training_at_a_time(monkeypatch):
    monkeypatch.setattr(workers, "device_name", lambda: "gpu:0")
    with parallel_trainings(4):
        assert joblib.effective_n_jobs(None) == 1
    monkeypatch.setattr(workers, "device_name", lambda: "cpu")
    with parallel_trainings(4):
        assert joblib.effective_n_jobs(None) == 4
