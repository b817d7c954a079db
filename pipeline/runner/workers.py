"""How many trainings run at once, and what a worker process does before its first.

`run.workers` and `run.cluster` are params of no stage: results do not depend on them.
"""

import functools
import os
import subprocess
import sys
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Literal

import joblib
import psutil

from pipeline.config.schema import Run
from pipeline.networks.device import device_name, use_device
from pipeline.runner.clock import gpu_names
from pipeline.runner.cluster import MEMORY, ray_trainings
from pipeline.runner.parent import die_with_parent
from pipeline.runner.surroundings import MEMORY_ON_DEMAND
from pipeline.store.errors import InputError

CGROUP = Path("/sys/fs/cgroup")  # of a container
ASK_KERAS = "from pipeline.networks.device import device_name, use_device; use_device('auto'); print(device_name())"


def trainings_at_once(run: Run) -> int:
    """The number of trainings at once, on the device that the run will use."""
    return sharing_count(run.workers) if run.device != "cpu" and keras_uses_gpu() else worker_count(run.workers)


@functools.cache
def keras_uses_gpu() -> bool:
    """Whether Keras trains on a GPU of this machine, which its backend may be installed without.

    Asked in a process of its own: forks of one that has used a GPU cannot use it.
    """
    if not gpu_names():
        return False
    answer = subprocess.run([sys.executable, "-c", ASK_KERAS], capture_output=True, text=True, check=False).stdout
    return answer.strip() not in ("", "cpu")


def sharing_count(setting: Literal["auto"] | int) -> int:
    """The number of trainings that share an accelerator: "auto" is one, which fills it unless the network is small."""
    return 1 if setting == "auto" else setting


def share_memory(run: Run) -> None:
    """Where several trainings would share a GPU, have the backend, not yet imported, leave memory to the others."""
    if run.device != "cpu" and sharing_count(run.workers) > 1:
        for name, value in MEMORY_ON_DEMAND.items():
            os.environ.setdefault(name, value)  # workers inherit it


def worker_count(setting: Literal["auto"] | int, memory: int | None = None) -> int:
    """The number of trainings at once that `run.workers` asks for, on a CPU.

    Args:
        setting: "auto" for all cores that this process may use, but no more than free memory has room for.
        memory: free bytes; None: as they are.
    """
    if setting != "auto":
        return setting
    free = free_memory() if memory is None else memory
    return max(1, min(joblib.cpu_count(), free // MEMORY))


def parallel_trainings(setting: Literal["auto"] | int, cluster: str | None = None) -> AbstractContextManager:
    """A context in which `joblib.Parallel` trains in worker processes, each on one core; all share an accelerator.

    Args:
        setting: `run.workers`; on an accelerator "auto" is one.
        cluster: `run.cluster`; None: on this machine.

    Raises:
        InputError: a cluster is asked for, which is of CPUs, and this machine trains on an accelerator.
    """
    device = device_name()
    workers = worker_count(setting) if device == "cpu" else sharing_count(setting)
    if cluster is not None:
        if device != "cpu":
            raise InputError(
                f"run.cluster trains on CPUs, and Keras uses {device} here. Set run.device to cpu, or run.cluster to "
                "null; cells run on several GPUs by ci/cell.sh."
            )
        return ray_trainings(cluster, workers)
    return joblib.parallel_config("loky", n_jobs=workers, inner_max_num_threads=1, initializer=prepare_worker)


def prepare_worker() -> None:
    """Set up a worker process: it ends with its parent, and trains on one thread."""
    die_with_parent()
    use_device("auto")  # as its parent, whose environment it has


def free_memory() -> int:
    """Free bytes of the machine, or of the container's limit where that is less."""
    free = [psutil.virtual_memory().available]
    with suppress(OSError, ValueError):  # no container, or no limit ("max")
        limit, used = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        free.append(limit - used)
    return min(free)
