"""The clock of a stage that used a device: seconds, memory, machine."""

import os
import platform
import resource
from collections.abc import Callable
from typing import Any

from pipeline.networks.device import device_name
from pipeline.runner.energy import gpu_names


def idle_gpus(device: str) -> list[str]:
    """The machine's GPUs while Keras computes on `device`: a CPU by itself, not because the user hid them from it."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")  # by run.device: cpu too
    return [] if device != "cpu" or hidden else list(gpu_names().values())


def gpu_memory_mb(device: str) -> float | None:
    """The most memory of a GPU that Keras' backend has held in this process; None on any other device."""
    if not device.startswith(("gpu", "cuda")):
        return None
    import keras

    return round(PEAK_BYTES[keras.backend.backend()](device) / 2**20, 1)


def _of_tensorflow(device: str) -> int:
    import tensorflow as tf

    return int(tf.config.experimental.get_memory_info(device.upper())["peak"])


def _of_jax(device: str) -> int:
    import jax

    return int(jax.devices()[int(device.partition(":")[2] or 0)].memory_stats()["peak_bytes_in_use"])


def _of_torch(device: str) -> int:
    import torch

    return int(torch.cuda.max_memory_allocated(device))


PEAK_BYTES: dict[str, Callable[[str], int]] = {"tensorflow": _of_tensorflow, "jax": _of_jax, "torch": _of_torch}


def clock(seconds: float, cpu_seconds: float, joules: float | None) -> dict[str, Any]:
    """Seconds, energy (an estimate, None without a meter), peak memory and machine of the stage that has just run.

    `peak_memory_mb` is the process's own, `peak_gpu_memory_mb` what it held on a GPU (None without one).
    """
    import keras

    device = device_name()
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
        "energy_joules": None if joules is None else round(joules, 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),  # KiB on Linux
        "peak_gpu_memory_mb": gpu_memory_mb(device),
        "device": device,
        "idle_gpus": idle_gpus(device),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "machine": platform.machine(),
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
    }
