"""Choose Keras' backend and device."""

import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.store.errors import InputError

BACKENDS = ("tensorflow", "jax", "torch")


def use_device(device: str, precision: str = "float32", *, trains: bool = True) -> None:
    """Select backend and device before Keras is imported, and check that a required GPU is available.

    Args:
        device: auto, cpu or gpu.
        precision: of training; 16 bits require a GPU.
        trains: whether this process trains. One that does not may predict on all cores.

    Raises:
        InputError: a GPU is required and there is none, or the backend cannot be used.
    """
    choose_backend()
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
    with without_notices():
        import_keras()
        if not trains:
            predict_on_all_cores()
        found = device_name()  # the backend's first operation
    if device == "gpu" and found == "cpu":
        raise InputError(
            "run.device is 'gpu', but Keras finds none. Install a driver and "
            "`pip install -c constraints.txt -e '.[gpu]'`, or set run.device to 'auto' or 'cpu'."
        )
    if precision != "float32" and found == "cpu":
        raise InputError(
            f"run.precision is {precision!r}, which is for a GPU, and Keras finds none: on a CPU it is slower and less "
            "exact. Set run.precision to float32."
        )


def choose_backend() -> None:
    """Use TensorFlow, with oneDNN and its log level at errors only, unless the environment says otherwise.

    TensorFlow leaves oneDNN out on CPUs without instructions for neural networks, where it doubles the speed of
    training all the same (benchmarks/engine.md).

    Raises:
        InputError: the environment asks for a backend that cannot train, or that is not installed.
    """
    backend = os.environ.get("KERAS_BACKEND") or BACKENDS[0]
    if backend not in BACKENDS:
        raise InputError(f"KERAS_BACKEND is {backend!r} in the environment, allowed: {', '.join(BACKENDS)}. Unset it.")
    if importlib.util.find_spec(backend) is None:
        raise InputError(
            f"KERAS_BACKEND is {backend!r} in the environment, and that package is not installed. Install it by "
            f"`pip install {backend}`, or unset KERAS_BACKEND for TensorFlow."
        )
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kernels = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "").strip().lower()
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0" if kernels in ("0", "false") else "1"


def import_keras() -> None:
    """Import backend and Keras, on one thread and with Keras' own defaults, whatever keras.json in a user's home says.

    Another data format or float type there would build other networks without a word.
    """
    with _without_keras_json():
        one_thread()
        import keras
    keras.config.set_image_data_format("channels_last")  # again, where it was imported before
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)


@contextmanager
def _without_keras_json() -> Iterator[None]:
    """Let imports find no keras.json, and write none: TensorFlow reads it too, and fails at values it does not know."""
    home = os.environ.get("KERAS_HOME")
    os.environ["KERAS_HOME"] = os.devnull
    try:
        yield
    finally:
        del os.environ["KERAS_HOME"]
        if home is not None:
            os.environ["KERAS_HOME"] = home


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
        flags = [*os.environ.get("XLA_FLAGS", "").split(), "--xla_cpu_multi_thread_eigen=false"]
        os.environ["XLA_FLAGS"] = " ".join(dict.fromkeys(flags))  # workers inherit it


def predict_on_all_cores() -> None:
    """Let several threads of this process predict at the same time, each on one core (`predict_in_threads`).

    TensorFlow runs all calls on one pool, which `one_thread` makes of one thread, so that they would wait for each
    other. For processes that train nothing: a training would take more than its core. It takes effect before the
    backend's first operation only.
    """
    if os.environ.get("KERAS_BACKEND") == "tensorflow":
        import joblib
        import tensorflow as tf

        with suppress(RuntimeError):
            tf.config.threading.set_inter_op_parallelism_threads(joblib.cpu_count())


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
