"""Energy: counters that are read, that start anew, and that may not be read."""

import sys
import types

import pytest

from pipeline.runner import energy
from pipeline.runner.energy import EnergyMeter, elapsed, gpu_joules, gpu_names, package_joules


def write(folder, name, microjoules, largest=262_143_328_850):
    package = folder / name
    package.mkdir(parents=True, exist_ok=True)
    (package / "energy_uj").write_text(f"{microjoules}\n")
    (package / "max_energy_range_uj").write_text(f"{largest}\n")


def test_packages_are_summed_without_their_parts(tmp_path):
    write(tmp_path, "intel-rapl:0", 1_000_000)
    write(tmp_path, "intel-rapl:1", 5_000_000)
    write(tmp_path, "intel-rapl:0:0", 900_000)  # the cores of package 0, which it holds
    (tmp_path / "intel-rapl").mkdir()
    with EnergyMeter(gpu=False, folder=tmp_path) as meter:
        write(tmp_path, "intel-rapl:0", 3_000_000)
        write(tmp_path, "intel-rapl:0:0", 2_900_000)
        write(tmp_path, "intel-rapl:1", 5_500_000)
    assert meter.joules == pytest.approx(2.5)


def test_a_counter_that_starts_anew_is_continued(tmp_path):
    write(tmp_path, "intel-rapl:0", 90_000_000, largest=100_000_000)
    with EnergyMeter(gpu=False, folder=tmp_path) as meter:
        write(tmp_path, "intel-rapl:0", 15_000_000, largest=100_000_000)
    assert meter.joules == pytest.approx(25)


def test_a_counter_that_starts_anew_many_times_is_read_often_enough(tmp_path, monkeypatch):
    readings = iter([*range(0, 100, 30), *range(20, 100, 30), *range(10, 100, 30)])  # +30 J each, from 0 to 100 J
    last = []

    def reading(folder):
        last.append(next(readings, last[-1] if last else None))
        return {"intel-rapl:0": float(last[-1])}

    monkeypatch.setattr(energy, "package_joules", reading)
    monkeypatch.setattr(energy, "package_ranges", lambda folder: {"intel-rapl:0": 100.0})
    with EnergyMeter(gpu=False, folder=tmp_path, every=0.001) as meter:
        while len(last) < 15:
            pass
    assert meter.joules == pytest.approx(30 * 9)


@pytest.mark.parametrize("content", [None, "no number"])
def test_without_a_counter_that_may_be_read_there_is_none(tmp_path, content):
    (tmp_path / "intel-rapl:0").mkdir()
    if content:
        (tmp_path / "intel-rapl:0" / "energy_uj").write_text(content)
    with EnergyMeter(gpu=False, folder=tmp_path) as meter:
        pass
    assert meter.joules is None and package_joules(tmp_path / "nowhere") == {}


def test_a_counter_of_unknown_range_never_runs_backwards():
    assert elapsed(10.0, 4.0, None) == 4.0


def test_an_error_inside_is_not_swallowed(tmp_path):
    write(tmp_path, "intel-rapl:0", 1)
    with pytest.raises(KeyError), EnergyMeter(gpu=False, folder=tmp_path):
        raise KeyError


def library(monkeypatch, millijoules, error=None):
    """An NVML with these counters."""
    fake = types.ModuleType("pynvml")
    fake.NVMLError = type("NVMLError", (Exception,), {})

    def start():
        if error == "driver":
            raise fake.NVMLError

    def total(index):
        if error == "counter":
            raise fake.NVMLError
        return millijoules[index]

    fake.nvmlInit, fake.nvmlShutdown = start, lambda: None
    fake.nvmlDeviceGetCount = lambda: len(millijoules)
    fake.nvmlDeviceGetHandleByIndex = lambda index: index
    fake.nvmlDeviceGetTotalEnergyConsumption = total
    fake.nvmlDeviceGetName = lambda index: ["NVIDIA A", b"NVIDIA B"][index]  # bytes in older versions
    monkeypatch.setitem(sys.modules, "pynvml", fake)


def test_gpus_are_counted_where_they_are_asked_for(tmp_path, monkeypatch):
    counters = [1000, 2000]
    library(monkeypatch, counters)
    assert gpu_joules() == {"gpu:0": 1.0, "gpu:1": 2.0}
    with EnergyMeter(gpu=True, folder=tmp_path) as meter, EnergyMeter(gpu=False, folder=tmp_path) as other:
        counters[:] = [4000, 2500]
    assert (meter.joules, other.joules) == (pytest.approx(3.5), None)


@pytest.mark.parametrize("error", ["driver", "counter"])
def test_gpus_without_driver_or_counter_give_nothing(monkeypatch, error):
    library(monkeypatch, [1000], error)
    assert gpu_joules() == {}
    assert gpu_names() == ({} if error == "driver" else {"gpu:0": "NVIDIA A"})


def test_gpus_are_named(monkeypatch):
    library(monkeypatch, [0, 0])
    assert gpu_names() == {"gpu:0": "NVIDIA A", "gpu:1": "NVIDIA B"}
