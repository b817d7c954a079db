"""Measure a stage that computes with Keras: seconds, peak memory, device and machine."""

import os
import platform
import resource
import time
from collections.abc import Callable
from typing import Any

from pipeline.networks.device import device_name
from pipeline.store.files import read_json
from pipeline.store.kept import Store
from pipeline.store.outs import KeptFoldPaths

_elsewhere = 0.0  # CPU seconds of this cell on a cluster


def kept_seconds(store: Store, cell: str, since: float) -> float:
    """Seconds that a cell's trainings took which it now found in the store.

    Args:
        cell: STAGE@NAME, as in the clock of each. since: when the cell began, in seconds since the epoch.
    """
    used = (KeptFoldPaths(entry.folder).clock for entry in store.entries() if entry.used >= since)
    clocks = [read_json(clock) for clock in used if clock.is_file() and clock.stat().st_mtime < since]
    return float(sum(clock["seconds"] for clock in clocks if clock["cell"] == cell))


def idle_gpus(device: str) -> list[str]:
    """Models of the GPUs that Keras leaves idle: `device` is the CPU, and the GPUs are not hidden from it."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")  # by run.device: cpu too
    return [] if device != "cpu" or hidden else gpu_names()


def gpu_names() -> list[str]:
    """Models of this machine's NVIDIA GPUs, from their driver; empty without one, or where it fails."""
    try:
        import pynvml

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return [pynvml.nvmlDeviceGetName(handle) for handle in handles]
    except Exception:  # the library belongs to dvclive; a driver that fails must not stop the stage
        return []


def gpu_memory_mb(device: str) -> float | None:
    """Peak GPU memory of Keras' backend in this process, in MiB; None on any other device."""
    if not device.startswith(("gpu", "cuda")):
        return None
    import keras

    return round(PEAK_BYTES[keras.backend.backend()](device) / 2**20, 1)


def _peak_of_tensorflow(device: str) -> int:
    import tensorflow as tf

    return int(tf.config.experimental.get_memory_info(device.upper())["peak"])


def _peak_of_jax(device: str) -> int:
    import jax

    return int(jax.devices()[int(device.partition(":")[2] or 0)].memory_stats()["peak_bytes_in_use"])


def _peak_of_torch(device: str) -> int:
    import torch

    return int(torch.cuda.max_memory_allocated(device))


PEAK_BYTES: dict[str, Callable[[str], int]] = {
    "tensorflow": _peak_of_tensorflow,
    "jax": _peak_of_jax,
    "torch": _peak_of_torch,
}


def cpu_seconds() -> float:
    """CPU seconds of this process, of its workers that have ended, and of trainings on a cluster, so far."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime + _elsewhere


def count_elsewhere(seconds: float) -> None:
    """Count CPU seconds of a training on a cluster, whose processes are no children of this one."""
    global _elsewhere
    _elsewhere += seconds


def clock(seconds: float, computed: float, workers: int) -> dict[str, Any]:
    """Seconds, peak memory (MiB), device and machine of the stage that has just run.

    Args:
        seconds: of the wall clock. computed: of all cores, see `cpu_seconds`.
        workers: trainings at once.
    """
    import keras

    device = device_name()
    used = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(computed, 3),
        "workers": workers,
        "peak_memory_mb": round(max(used) / 1024, 1),  # of the largest process; KiB on Linux
        "peak_gpu_memory_mb": gpu_memory_mb(device),
        "device": device,
        "idle_gpus": idle_gpus(device),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "machine": platform.machine(),
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
    }
