"""The device: a GPU that is there but unused is named in the log and in the clock."""

import sys
import types

import keras
import pytest
import tiny_world

from pipeline.runner import clock
from pipeline.runner.clock import gpu_memory_mb, gpu_names, idle_gpus
from pipeline.store.files import read_json
from pipeline.store.paths import Paths


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(clock, "gpu_names", lambda: ["NVIDIA A", "NVIDIA B"])


def test_gpus_are_idle_while_keras_computes_on_the_cpu(two_gpus):
    assert idle_gpus("cpu") == ["NVIDIA A", "NVIDIA B"]
    assert idle_gpus("gpu:0") == []


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_gpus_that_the_user_hid_are_not_idle(two_gpus, monkeypatch, hidden):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert idle_gpus("cpu") == []


def driver(monkeypatch, fails=False):
    """NVIDIA's library on a machine with two GPUs."""
    fake = types.ModuleType("pynvml")

    def start():
        if fails:
            raise RuntimeError("driver not loaded")

    fake.nvmlInit, fake.nvmlDeviceGetCount = start, lambda: 2
    fake.nvmlDeviceGetHandleByIndex = lambda index: index
    fake.nvmlDeviceGetName = lambda handle: ("NVIDIA A", "NVIDIA B")[handle]
    monkeypatch.setitem(sys.modules, "pynvml", fake)


def test_gpus_are_named_by_their_driver(monkeypatch):
    driver(monkeypatch)
    assert gpu_names() == ["NVIDIA A", "NVIDIA B"]


def test_a_driver_that_fails_or_is_absent_names_none(monkeypatch):
    driver(monkeypatch, fails=True)
    assert gpu_names() == []
    monkeypatch.setitem(sys.modules, "pynvml", None)  # not installed
    assert gpu_names() == []


def test_a_gpu_that_is_there_but_unused_is_said_in_the_log_and_in_the_clock(two_gpus, tmp_path, capsys):
    raw = tiny_world.make(tmp_path)
    raw["run"]["device"] = "auto"
    tiny_world.write_params(tmp_path, raw)
    tiny_world.run_cell(tmp_path, "source", "tiny")
    clock = read_json(Paths(tmp_path).clock("source", "tiny"))
    if clock["device"] != "cpu":
        pytest.skip("Keras has a GPU here, and uses it")
    assert clock["idle_gpus"] == ["NVIDIA A", "NVIDIA B"]
    log = capsys.readouterr().out
    assert " on cpu; NVIDIA A, NVIDIA B idle: " in log and log.count("\n") == 1


def test_a_machine_without_gpus_is_silent(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(clock, "gpu_names", list)
    tiny_world.make(tmp_path)
    tiny_world.run_cell(tmp_path, "source", "tiny")
    assert read_json(Paths(tmp_path).clock("source", "tiny"))["idle_gpus"] == []
    assert "idle" not in capsys.readouterr().out


def test_memory_of_a_gpu_is_asked_of_the_backend(monkeypatch):
    asked = []
    monkeypatch.setitem(clock.PEAK_BYTES, keras.backend.backend(), lambda name: asked.append(name) or 3 * 2**20)
    assert [gpu_memory_mb(name) for name in ("gpu:0", "cuda:1", "cpu", "tpu:0")] == [3.0, 3.0, None, None]
    assert asked == ["gpu:0", "cuda:1"]
