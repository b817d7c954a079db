"""The device that Keras computes on, and the clock of a stage that used it."""

import os
import platform
import re
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.frame.energy import gpu_names
from pipeline.frame.errors import InputError


def use_device(device: str) -> None:
    """Set what must be set before Keras is imported, and check that a demanded GPU is there.

    Args:
        device: auto, cpu or gpu.

    Raises:
        InputError: gpu is demanded and there is none.
    """
    choose_backend()
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    with without_notices():
        one_operation_at_a_time()
        found = device_name()
    if device == "gpu" and found == "cpu":
        raise InputError(
            "run.device is 'gpu', but Keras finds none. Install a driver and "
            "`pip install -c constraints.txt -e '.[gpu]'`, or set run.device to 'auto' or 'cpu'."
        )


def choose_backend() -> None:
    """Have Keras compute with TensorFlow, quietly, unless the environment says otherwise."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def one_operation_at_a_time() -> None:
    """Have TensorFlow start no two operations at once: else sums of gradients come in any order, and bits differ.

    A single operation still uses all cores, and training is no slower. Must come before TensorFlow's first operation;
    a process that has computed something already (a test, a notebook) is left as it is.
    """
    if os.environ.get("KERAS_BACKEND") != "tensorflow":
        return
    import tensorflow as tf

    with suppress(RuntimeError):
        tf.config.threading.set_inter_op_parallelism_threads(1)


@contextmanager
def without_notices() -> Iterator[None]:
    """Drop what native code writes to standard error meanwhile: TensorFlow's notices on import are no one's fault.

    A failing import still raises.
    """
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def device_name() -> str:
    """Where Keras' backend puts its arrays: an accelerator ("gpu:0", "cuda:0", "tpu:0", ...), else "cpu"."""
    import keras

    # a computed array knows its device on every backend; keras.distribution does not serve PyTorch
    place = str(keras.ops.ones((2,)).device).lower()
    found = re.search(r"(gpu|cuda|rocm|tpu|mps|xpu)(:\d+)?", place)
    return found[0] if found else "cpu"


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
