"""Fix what a user's surroundings could change in results: before anything else is imported, in every process.

Settings of libraries that the environment carries (threads, just-in-time compilers, precision, backends of figures) are
for other programs. Processes that a command starts inherit what is fixed here; keras.json is the matter of
networks/device.py.
"""

import os
import sys
from collections.abc import Mapping

THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB", "BLIS")
SET = {
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",  # whatever the locale
    "MPLBACKEND": "agg",  # a notebook's may not be installed here
    **{f"{library}_NUM_THREADS": "1" for library in THREADS},  # a training has one core (networks/device.py)
}
# Variables that begin so are left out: settings of libraries, which may change bits, and of the interpreter.
LEFT_OUT = (
    *("TF_", "XLA_", "JAX_", "KERAS_", "TORCH", "PYTORCH_", "DNNL_", "ONEDNN_", "NVIDIA_TF32_OVERRIDE", "CUBLAS_"),
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_", "VECLIB_", "NUMEXPR_"),
    *("NPY_", "SCIPY_", "SKLEARN_", "PANDAS_", "ARROW_", "JOBLIB_", "MATPLOTLIBRC", "MPLBACKEND", "SOURCE_DATE_EPOCH"),
    *("PYTHONHASHSEED", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONDEVMODE"),
    *("PYTHONINSPECT", "PYTHONVERBOSE", "PYTHONDEBUG", "PYTHONMALLOC", "PYTHONTRACEMALLOC"),
)
# ... but these: choices that docs/operations.md offers, folders, devices, and how much memory is reserved.
KEPT = (
    *("KERAS_BACKEND", "KERAS_HOME", "TF_ENABLE_ONEDNN_OPTS"),
    *("TF_CPP_", "TF_FORCE_GPU_ALLOW_GROWTH", "TF_GPU_ALLOCATOR", "XLA_PYTHON_CLIENT_", "PYTORCH_CUDA_ALLOC_CONF"),
    *("JAX_PLATFORM", "JOBLIB_TEMP_FOLDER"),
)
# With these a backend takes a GPU's memory as it needs it; TensorFlow and JAX take nearly all of it at their start.
MEMORY_ON_DEMAND = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
XLA_FLAGS = "XLA_FLAGS"
DEVICES = "CUDA_VISIBLE_DEVICES"
KEPT_FLAGS = ("--xla_gpu_cuda_data_dir=", "--xla_cpu_multi_thread_eigen=")  # a folder; and ours of networks/device.py


def fix_surroundings() -> None:
    """Fix this process's environment and umask; start Python anew where it has read other settings at its start.

    Nothing that the process has imported so far may depend on them.
    """
    os.umask(os.umask(0o077) & 0o077)  # whom else a user lets read is theirs to say; the owner always may
    wanted = fixed(os.environ)
    changed = {name for name in wanted.keys() | os.environ.keys() if wanted.get(name) != os.environ.get(name)}
    os.environ.clear()
    os.environ.update(wanted)
    if os.name == "posix" and any(name.startswith("PYTHON") for name in changed):
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def fixed(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with which every process runs."""
    kept = {name: value for name, value in environment.items() if _passes(name)}
    flags = [flag for flag in environment.get(XLA_FLAGS, "").split() if flag.startswith(KEPT_FLAGS)]
    return kept | SET | ({XLA_FLAGS: " ".join(flags)} if flags else {})


def of_libraries(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of a fixed environment that bits may depend on, for processes on other machines."""
    return {name: value for name, value in environment.items() if name.startswith((*SET, *LEFT_OUT, *KEPT, DEVICES))}


def _passes(name: str) -> bool:
    return name.startswith(KEPT) or not name.startswith(LEFT_OUT)
