"""What surrounds a process changes no result: environment, keras.json, locale, hash seed and umask of its user."""

import json
import os
import subprocess
import sys

import pytest

from pipeline.runner.surroundings import SET, fixed

HOSTILE = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # as in a notebook
    "MATPLOTLIBRC": "/nowhere",
    "OMP_NUM_THREADS": "7",
    "OPENBLAS_NUM_THREADS": "7",
    "NUMEXPR_MAX_THREADS": "7",
    "TF_NUM_INTRAOP_THREADS": "7",
    "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
    "TF_SET_ONEDNN_FPMATH_MODE": "BF16",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "DNNL_DEFAULT_FPMATH_MODE": "BF16",
    "NVIDIA_TF32_OVERRIDE": "1",
    "JAX_ENABLE_X64": "1",
    "KERAS_MAX_EPOCHS": "1",
    "KERAS_MAX_STEPS_PER_EPOCH": "1",
    "KERAS_NNX_ENABLED": "true",
    "NPY_DISABLE_CPU_FEATURES": "AVX2",
    "PYTHONHASHSEED": "4711",
    "PYTHONUTF8": "0",
    "PYTHONIOENCODING": "ascii",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONINSPECT": "1",  # every stage would end at a prompt
    "PYTHONTRACEMALLOC": "25",
    "LC_ALL": "C",
    "PYTHONCOERCECLOCALE": "0",
}
CHOICES = {
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": "/home/of/weights",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_CPP_MIN_LOG_LEVEL": "0",
    "CUDA_VISIBLE_DEVICES": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.5",
    "MPLCONFIGDIR": "/tmp/mpl",
    "TMPDIR": "/tmp",
    "LANG": "tr_TR.UTF-8",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_variable_that_could_change_results_is_set_or_left_out(name):
    if not name.startswith(("LC_", "PYTHONCOERCE")):  # UTF-8 mode is before them
        assert fixed({name: HOSTILE[name]}) == SET


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_of_the_user_stays(name):
    assert fixed({name: CHOICES[name]}) == SET | {name: CHOICES[name]}


def test_of_xla_s_flags_only_the_folder_of_cuda_stays():
    flags = "--xla_gpu_cuda_data_dir=/usr/cuda --xla_cpu_enable_fast_math=true --xla_cpu_multi_thread_eigen=false"
    kept = "--xla_gpu_cuda_data_dir=/usr/cuda --xla_cpu_multi_thread_eigen=false"
    assert fixed({"XLA_FLAGS": flags})["XLA_FLAGS"] == kept
    assert "XLA_FLAGS" not in fixed({"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"})


def test_what_is_fixed_stays_as_it_is():
    once = fixed({**HOSTILE, **CHOICES})
    assert fixed(once) == once


START = """
import os
os.umask(0o477)
from pipeline.runner.surroundings import fix_surroundings
fix_surroundings()
import json, sys
umask = os.umask(0)
hashed = hash("a name")
import matplotlib
print(json.dumps([hashed, sys.flags.utf8_mode, sys.stdout.encoding, sys.flags.optimize, sys.warnoptions, umask]))
print(matplotlib.get_backend(), sys.argv[1:], "\\u00fc")
"""


def started(repository, code, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": str(repository)} | environment,
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("utf-8").splitlines()


def test_python_starts_with_the_same_settings_whatever_its_user_has_set(repository):
    lines = started(repository, START, "a b", "c", **HOSTILE)
    assert lines == started(repository, START, "a b", "c", LC_ALL="C.UTF-8", PYTHONHASHSEED="0")
    _, utf8, encoding, optimize, warnings, umask = json.loads(lines[0])
    assert (utf8, encoding, optimize, warnings) == (1, "utf-8", 0, [])
    assert umask == 0o077, "of the user's, what keeps others from reading stays"
    assert lines[1] == "agg ['a b', 'c'] ü"


# a run: the command's process, its warm process, a cell that the warm process forks, and a worker of the cell
RUN = """
import json, os, subprocess, sys
from pathlib import Path
from pipeline.runner.surroundings import fix_surroundings
fix_surroundings()
import joblib
from pipeline.runner import warm
warm.HEAVY = ("keras",)

def settings():
    import keras, tensorflow as tf
    threads = tf.config.threading.get_intra_op_parallelism_threads(), os.environ["OMP_NUM_THREADS"]
    config = keras.config
    found = [config.image_data_format(), config.floatx(), config.epsilon(), config.backend(), config.max_epochs()]
    layer = keras.layers.Conv2D(2, 1)
    return [*found, layer.dtype, layer.data_format, *threads, hash("a name"), os.environ["MPLBACKEND"], os.umask(0o77)]

def cell(arguments):
    from pipeline.networks.device import use_device
    from pipeline.runner.workers import parallel_trainings
    use_device("cpu")
    with parallel_trainings(2):
        (worker,) = joblib.Parallel()(joblib.delayed(settings)() for _ in range(1))
    print(json.dumps([settings(), worker]), flush=True)
    return 0

if __name__ == "__main__":
    command = [sys.executable, "-m", "pipeline", "cell"]
    sys.exit(warm.run_beside(lambda: subprocess.run(command).returncode, cell))
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the warm process is for Linux")
@pytest.mark.slow
def test_the_warm_process_its_cells_and_their_workers_have_the_same_settings(repository, tmp_path):
    (tmp_path / ".keras").mkdir()
    other = {"image_data_format": "channels_first", "floatx": "float16", "epsilon": 0.5, "backend": "jax"}
    (tmp_path / ".keras" / "keras.json").write_text(json.dumps(other))
    environment = HOSTILE | {"HOME": str(tmp_path), "KERAS_BACKEND": ""}
    (line,) = started(repository, RUN, **environment)
    cell, worker = json.loads(line)
    assert cell == worker
    expected = ["channels_last", "float32", 1e-7, "tensorflow", None, "float32", "channels_last", 1, "1"]
    assert cell[: len(expected)] == expected and cell[-2] == "agg"
