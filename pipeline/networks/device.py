"""Choose Keras' backend and device."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.store.errors import InputError


def use_device(device: str) -> None:
    """Select backend and device before Keras is imported, and check that a required GPU is available.

    Args:
        device: auto, cpu or gpu.

    Raises:
        InputError: gpu is required and there is none.
    """
    choose_backend()
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    with without_notices():
        one_thread()
        found = device_name()
    if device == "gpu" and found == "cpu":
        raise InputError(
            "run.device is 'gpu', but Keras finds none. Install a driver and "
            "`pip install -c constraints.txt -e '.[gpu]'`, or set run.device to 'auto' or 'cpu'."
        )


def choose_backend() -> None:
    """Use TensorFlow, with oneDNN and its log level at errors only, unless the environment says otherwise.

    TensorFlow leaves oneDNN out on CPUs without instructions for neural networks, where it doubles the speed of
    training all the same (benchmarks/engine.md).
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def one_thread() -> None:
    """Make this process compute on one core: what uses several runs in several processes (arms/parallel.py).

    One thread uses a core better than two share two, and bits do not depend on the number of cores: TensorFlow would
    sum gradients in any order. It takes effect before the backend's first operation only; later (in a test or a
    notebook) it does nothing.
    """
    backend = os.environ.get("KERAS_BACKEND")
    if backend == "tensorflow":
        import tensorflow as tf

        with suppress(RuntimeError):
            tf.config.threading.set_inter_op_parallelism_threads(1)
            tf.config.threading.set_intra_op_parallelism_threads(1)
    elif backend == "torch":
        import torch

        torch.set_num_threads(1)
    elif backend == "jax":
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()


@contextmanager
def without_notices() -> Iterator[None]:
    """Discard what native code writes to standard error, such as TensorFlow's notices; exceptions still raise."""
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def device_name() -> str:
    """The device of the backend's arrays: an accelerator ("gpu:0", "cuda:0", "tpu:0", ...), else "cpu"."""
    import keras

    # a computed array knows its device on every backend; keras.distribution does not serve PyTorch
    place = str(keras.ops.ones((2,)).device).lower()
    found = re.search(r"(gpu|cuda|rocm|tpu|mps|xpu)(:\d+)?", place)
    return found[0] if found else "cpu"
