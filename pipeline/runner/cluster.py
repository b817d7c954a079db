"""Train on the machines of a Ray cluster: joblib's `Parallel` whose tasks are tasks of Ray, each on one core.

Ray starts a task where a core is free, whichever cell wants it, and does those of a machine that is lost again on
another. The backend that comes with Ray (`ray.util.joblib`) has a fixed pool of actors: it counts no cores, and once a
machine is lost the trainings that its actors had been given fail or wait for ever.

All machines see this folder at the same path, such as on a network drive: a training reads its inputs there, and keeps
its result in the store.
"""

import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
from joblib.parallel import ParallelBackendBase

from pipeline.networks.device import use_device
from pipeline.runner.clock import count_elsewhere
from pipeline.runner.surroundings import of_libraries
from pipeline.store.cores import FOLDER, OWN
from pipeline.store.errors import InputError
from pipeline.store.files import replacing

LOCAL = "ray"  # run.cluster: a cluster of this machine alone, started by each cell for itself
MEMORY = 2 * 2**30  # bytes that a training takes: EfficientNet-Lite0 at 160 pixels in batches of 32 takes 1.5 GiB
RETRIES = 3  # of a training whose worker process or machine was lost
OBJECTS = 100 * 2**20  # bytes for Ray's objects, which are small: arrays stay in files
PATIENCE = 60.0  # seconds for all machines to answer `check`
VERSIONS = ("keras", "tensorflow", "jax", "torch", "numpy", "scikit-learn")  # what the bits of a result depend on
INSTALL = "run.cluster needs the package ray: `pip install -c constraints.txt -e '.[cluster]'`, or set it to null."
SHARE = (
    "All machines of run.cluster must see this folder, {folder}, at the same path, such as on a network drive; {hosts} "
    "did not. Share it, take them out of the cluster, or set run.cluster to null and run whole cells on each machine "
    "(ci/cell.sh)."
)
LOST = (
    f"A training was lost {RETRIES + 1} times with its worker process or machine ({{}}). Finished trainings are kept. "
    "Look after the machines of run.cluster and run again."
)
Packed = tuple[str, Any]  # ("absent", host), or ("done", (result, CPU seconds))


@contextmanager
def ray_trainings(address: str, workers: int) -> Iterator[None]:
    """A context in which `joblib.Parallel` trains on a cluster; Ray is started or joined when the first one does.

    Args:
        address: as in `run.cluster`. workers: trainings at once on this machine, of a local cluster.
    """
    if importlib.util.find_spec("ray") is None:
        raise InputError(INSTALL)
    try:
        with joblib.parallel_config(RayTasks(address, workers), n_jobs=-1):
            yield
    finally:
        if "ray" in sys.modules:
            sys.modules["ray"].shutdown()


class RayTasks(ParallelBackendBase):
    """joblib's interface to Ray: submit a task, hand on its result, cancel all."""

    supports_retrieve_callback = True

    def __init__(self, address: str, workers: int, prepare: Callable[[], None] | None = None) -> None:
        """
        Args:
            prepare: called before a training, in its process.
        """
        super().__init__()
        self.prepare = prepare or use_device_of_driver
        self.address, self.workers, self.submitted = address, workers, list[Any]()
        self.call: Any = None  # `_caller` as a function of Ray
        self.elsewhere = address != LOCAL  # on cores of which this run keeps no account (arms/parallel.py)

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Trainings at once: one a core that has its memory."""
        if self.address == LOCAL:
            return self.workers
        connect(self.address, self.workers)
        return room()

    def submit(self, func: Callable[[], Any], callback: Callable[[Future], None] | None = None) -> Future:
        """Start a task; `callback` gets its future when it has ended."""
        import ray

        connect(self.address, self.workers)
        self.call = self.call or ray.remote(num_cpus=1, memory=MEMORY, max_retries=RETRIES)(_caller())
        package = str(Path(__file__).parents[2])
        task = self.call.remote(str(Path.cwd()), package, *map(ray.cloudpickle.dumps, (self.prepare, func)))
        self.submitted.append(task)
        future: Future = task.future()
        if callback:
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, future: Future) -> Any:
        """The result of a task that has ended.

        Raises:
            InputError: its machine does not see this folder, or it was lost too often; or whatever it raised.
        """
        from ray.exceptions import RayError, RayTaskError

        try:
            kind, value = future.result()
        except RayTaskError as error:
            raise error.cause from None
        except RayError as error:
            raise InputError(LOST.format(type(error).__name__)) from None
        if kind == "absent":
            raise InputError(SHARE.format(folder=Path.cwd(), hosts=value))
        result, seconds = value
        count_elsewhere(seconds)
        return result

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End all tasks that have not ended."""
        import ray

        for task in self.submitted:
            ray.cancel(task, force=True)
        self.submitted.clear()


def use_device_of_driver() -> None:
    """Set Keras up as in the process that asked, whose environment this one has."""
    use_device("auto")


def _caller() -> Callable[[str, str, bytes, bytes], Packed]:
    """What runs on another machine; a local function travels by its code, since the package may not be there."""

    def call(folder: str, package: str, prepare: bytes, packed: bytes) -> Packed:
        import os
        import pickle
        import socket
        import sys
        import time

        if not os.path.isdir(folder) or not os.path.isdir(package):  # noqa: PTH112
            return "absent", socket.gethostname()
        os.chdir(folder)
        if package not in sys.path:
            sys.path.insert(0, package)
        pickle.loads(prepare)()  # before what imports Keras is unpacked
        start = time.process_time()
        return "done", (pickle.loads(packed)(), time.process_time() - start)

    return call


def connect(address: str, workers: int) -> None:
    """Join a cluster, or start one on this machine; do nothing where that has been done.

    Raises:
        InputError: nothing answers there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports to its makers unless told not to
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # CUDA_VISIBLE_DEVICES stays as it is
    import ray

    if ray.is_initialized():
        return
    shared = of_libraries(os.environ)
    if address == LOCAL:
        place: dict[str, Any] = {"address": "local", "num_cpus": workers, "include_dashboard": False}
        place |= {"object_store_memory": OBJECTS, "_memory": workers * MEMORY}
        shared |= {name: os.environ[name] for name in (FOLDER, OWN) if name in os.environ}
    else:
        place = {"address": address}
    try:
        ray.init(**place, log_to_driver=False, logging_level=logging.ERROR, runtime_env={"env_vars": shared})
    except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
        raise InputError(
            f"run.cluster is {address!r}, and no cluster of Ray can be used there ({_reason(error)}). Start one by "
            "`ray start --head` on a machine and `ray start --address=HOST:6379` on the others, or set it to null."
        ) from None


def room() -> int:
    """How many trainings the cluster has cores and memory for.

    Raises:
        InputError: no machine has room for one.
    """
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    count = sum(int(min(node.get("CPU", 0), node.get("memory", 0) // MEMORY)) for node in nodes)
    if not count:
        raise InputError(
            f"None of the {len(nodes)} machines of run.cluster has a core and {MEMORY / 2**30:.0f} GiB for a training. "
            "Start Ray with `--num-cpus` and `--memory` for at least one, or set run.cluster to null."
        )
    return count


def cluster_faults(address: str | None, folder: Path) -> list[str]:
    """Why trainings cannot run on the cluster that params name: for `check`."""
    if address is None:
        return []
    if importlib.util.find_spec("ray") is None:
        return [INSTALL]
    if address == LOCAL:
        return []
    try:
        connect(address, 1)
        room()
        return _unlike(folder)
    except InputError as error:
        return [str(error)]
    finally:
        sys.modules["ray"].shutdown()


def _unlike(folder: Path) -> list[str]:
    """Machines that do not see this folder, and those with other versions of libraries."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    token = folder.resolve() / f".cluster-{os.getpid()}"
    with replacing(token) as file:
        file.touch()
    try:
        probes = {
            node["NodeManagerHostname"]: ray.remote(num_cpus=0)(_prober())
            .options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
            .remote(str(token), VERSIONS)
            for node in ray.nodes()
            if node["Alive"]
        }
        answers = dict(zip(probes, ray.get(list(probes.values()), timeout=PATIENCE), strict=True))
    except ray.exceptions.RayError as error:
        return [f"A machine of run.cluster did not answer ({type(error).__name__}). Take it out, or start it anew."]
    finally:
        token.unlink(missing_ok=True)
    absent = [host for host, (seen, _) in answers.items() if not seen]
    faults = [SHARE.format(folder=folder.resolve(), hosts=", ".join(absent))] if absent else []
    _, own = _prober()(str(token), VERSIONS)
    for host, (_, versions) in answers.items():
        other = [f"{name} {versions[name]}, here {own[name]}" for name in VERSIONS if versions[name] != own[name]]
        if other:
            faults.append(f"{host} of run.cluster has {'; '.join(other)}: install what constraints.txt pins on both.")
    return faults


def _prober() -> Callable[[str, tuple[str, ...]], tuple[bool, dict[str, str | None]]]:
    """What `check` asks every machine, this one too; it travels by its code, as `_caller` does."""

    def probe(token: str, names: tuple[str, ...]) -> tuple[bool, dict[str, str | None]]:
        import os
        from contextlib import suppress
        from importlib.metadata import PackageNotFoundError, version

        found: dict[str, str | None] = dict.fromkeys(names)
        for name in names:
            with suppress(PackageNotFoundError):
                found[name] = version(name)
        return os.path.exists(token), found  # noqa: PTH110

    return probe


def _reason(error: Exception) -> str:
    """The first line of a message of Ray's and the last, which is the reason where the first announces a traceback."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(dict.fromkeys((lines[0], lines[-1])))[:300]
