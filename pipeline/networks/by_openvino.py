"""Functions of TensorFlow computed by OpenVINO on a CPU, where it is installed (the extra `openvino`).

In 32 bits it is 1.4 times as fast as TensorFlow with constant weights (benchmarks/extraction.md). Outputs differ by
rounding, up to 5e-6 of the largest; the first are compared with TensorFlow's all the same, since converters have been
wrong without a word.
"""

import sys
import tempfile
import threading
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import joblib
import numpy as np

from pipeline.store.errors import InputError

CONFIG = {
    "INFERENCE_PRECISION_HINT": "f32",  # where the CPU has bfloat16 it would take that, with outputs several % off
    "ENABLE_CPU_PINNING": False,  # processes that run at the same time would all be pinned to the first cores
}
TOLERANCE = 1e-4  # of the largest output
COMPARED = 2  # inputs
REMEDY = "`pip uninstall openvino` and run the same command again: everything works without it."
UNLIKE = "OpenVINO {} gives other outputs for this network than TensorFlow (by {:.0e} of the largest). " + REMEDY
FAILED = "OpenVINO {} cannot compute this network ({}). " + REMEDY


def openvino_version() -> str:
    """The version of OpenVINO, or "" where it is not installed."""
    try:
        return version("openvino")
    except PackageNotFoundError:
        return ""


def by_openvino(function: Any) -> Callable[[np.ndarray], np.ndarray]:
    """A `tf.function` of one argument as a function of arrays, inputs (n, ...) to outputs (n, ...), both float32.

    It can be called in several threads at once, each on one core, with the same bytes. Every shape is compiled once.

    Raises:
        InputError: when called: OpenVINO cannot compute it, or gives other outputs than TensorFlow.
    """
    compiled: dict[tuple[int, ...], Any] = {}
    compiling, own = threading.Lock(), threading.local()

    def call(inputs: np.ndarray) -> np.ndarray:
        inputs = np.ascontiguousarray(inputs, "float32")
        with compiling:
            if inputs.shape not in compiled:
                compiled[inputs.shape] = _compiled(function, inputs)
        requests = own.__dict__.setdefault("requests", {})  # of this thread: a request serves one call at a time
        if inputs.shape not in requests:
            requests[inputs.shape] = compiled[inputs.shape].create_infer_request()
        outputs: np.ndarray = requests[inputs.shape].infer([inputs])[0]
        return outputs

    return call


def _compiled(function: Any, inputs: np.ndarray) -> Any:
    """OpenVINO's model for inputs of this shape, compared on the first of them."""
    import tensorflow as tf

    graph = function.get_concrete_function(tf.TensorSpec(inputs.shape, "float32")).graph.as_graph_def()
    threads = {name: joblib.cpu_count() for name in ("NUM_STREAMS", "INFERENCE_NUM_THREADS")}  # a stream is a thread
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = tf.io.write_graph(graph, folder, "network.pb", as_text=False)
            model = _core().compile_model(file, "CPU", CONFIG | threads)
        found = model.create_infer_request().infer([inputs])[0][:COMPARED]
    except Exception as error:  # of whatever kind its reader and its plugins raise
        why = " ".join(str(error).split())[:200]
        raise InputError(FAILED.format(openvino_version(), why)) from None
    expected = np.asarray(function(tf.constant(inputs)))[:COMPARED]
    finite = np.isfinite(expected)  # what is not, the caller sees as well
    found, expected = found[finite], expected[finite]
    largest = np.abs(expected).max(initial=np.finfo("float32").tiny)
    difference = float(np.abs(found - expected).max(initial=0.0) / largest)
    if not difference <= TOLERANCE:
        raise InputError(UNLIKE.format(openvino_version(), difference))
    return model


def _core() -> Any:
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # else every import is reported to Intel
    import openvino

    return openvino.Core()
