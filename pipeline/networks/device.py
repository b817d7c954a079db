"""The backend and the device that Keras computes on."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.store.errors import InputError


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
