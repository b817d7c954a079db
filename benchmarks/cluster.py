"""What a training costs beside its own time, by loky and by Ray; a lost machine; what dvc.lock costs by cells.

    python -m benchmarks.cluster               # five minutes; needs the extra `cluster`

A stand-in for a training sleeps and returns, so that what is left is the engine: 10,000 of them on eight workers, and
ten on two nodes of Ray of which one is killed. DVC rewrites dvc.lock after every cell: entries of this repository's, so
many as there are cells, are read and written by DVC itself. Writes cluster.md.
"""

import argparse
import copy
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import joblib
import psutil

from pipeline.runner.cluster import LOCAL, MEMORY, RayTasks, connect

ROOT = Path(__file__).parents[1]
TRAININGS, WORKERS, SLEEP = 10_000, 8, 0.02  # seconds
SPEC = 4096  # bytes that go to a worker with a training, about those of a FoldSpec
FEW, MOMENT, LOSS, PATIENCE = 10, 0.8, 2.0, 60.0  # stand-ins, and seconds: of each, until the loss, until we give up
CELLS = (100, 1_000)
ENGINES = {"loky": "loky (this machine)", "tasks": "Ray, tasks (`run.cluster`)", "pool": "Ray, joblib's own backend"}
LOSSES = {"tasks": "tasks (`run.cluster`)", "pool": "joblib's own backend", "restarts": "the same, with restarts"}


def configuration(engine: str, address: str = LOCAL) -> joblib.parallel_config:
    """joblib's ambient configuration for an engine; that of Ray is started or joined."""
    if engine == "loky":
        return joblib.parallel_config("loky", n_jobs=WORKERS, inner_max_num_threads=1)
    connect(address, WORKERS)
    if engine == "tasks":
        return joblib.parallel_config(RayTasks(address, WORKERS, prepare=_nothing()), n_jobs=-1)
    from ray.util.joblib import register_ray

    register_ray()
    options = {"num_cpus": 1, "max_restarts": -1, "max_task_retries": -1} if engine == "restarts" else {}
    return joblib.parallel_config("ray", n_jobs=-1, ray_remote_args=options)


def _nothing() -> Any:
    return lambda: None


def stand_in(seconds: float) -> Any:
    """A training; a local function travels by its code."""

    def train(number: int, _spec: bytes) -> int:
        time.sleep(seconds)
        return number

    return joblib.delayed(train)


def trained(count: int, seconds: float) -> list[int]:
    """So many stand-ins, as arms/parallel.py runs trainings, but for its generator, which joblib's own Ray has not."""
    parallel = joblib.Parallel(n_jobs=None, batch_size=1, pre_dispatch="all")
    train = stand_in(seconds)
    return list(parallel(train(number, os.urandom(SPEC)) for number in range(count)))


def measure_engine(engine: str) -> dict[str, float]:
    """Seconds by the wall clock and of all cores for TRAININGS stand-ins, once every worker has started."""
    with configuration(engine):
        trained(4 * WORKERS, SLEEP)
        before, start = core_seconds(), time.perf_counter()
        assert trained(TRAININGS, SLEEP) == list(range(TRAININGS))
        return {"seconds": time.perf_counter() - start, "cores": core_seconds() - before}


def core_seconds() -> float:
    """Of this process and those below it, which are the workers and the servers of Ray."""
    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def measure_loss(engine: str) -> dict[str, Any]:
    """What becomes of FEW stand-ins on two nodes with a core each, when one node is killed in the middle."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "memory": MEMORY, "object_store_memory": 80 * 2**20}
    two = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    second = two.add_node(**node)

    def lose() -> None:
        raylet = second.all_processes["raylet"][0].process.pid
        workers = psutil.Process(raylet).children(recursive=True)
        two.remove_node(second, allow_graceful=False)
        for worker in workers:
            if worker.is_running():
                worker.kill()

    outcome = ["none in this time"]

    def train() -> None:
        try:
            with configuration(engine, two.address):
                threading.Timer(LOSS, lose).start()
                done = trained(FEW, MOMENT) == list(range(FEW))
            outcome[0] = "all are done" if done else "some are lost"
        except Exception as error:
            outcome[0] = f"fails: {type(error).__name__}"

    start = time.perf_counter()
    training = threading.Thread(target=train, daemon=True)
    training.start()
    training.join(PATIENCE)
    return {"outcome": outcome[0], "seconds": time.perf_counter() - start}


def measure_lock(cells: int) -> dict[str, float]:
    """Seconds in which DVC reads dvc.yaml and dvc.lock, and writes one cell into dvc.lock; and its megabytes."""
    from dvc.dvcfile import Lockfile
    from dvc.repo import Repo
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe")
    entries = yaml.load((ROOT / "dvc.lock").read_text())["stages"]
    entry = next(entries[name] for name in entries if name.startswith("scratch@"))
    locked = {f"cell@{number}": _named(entry, number) for number in range(cells)}
    outs = [_template(out["path"]) for out in locked["cell@0"]["outs"]]
    stage = {"cmd": "python -m pipeline scratch ${item}", "deps": [dep["path"] for dep in entry["deps"]], "outs": outs}
    Repo.init(no_scm=True).close()
    for name, content in {
        "dvc.yaml": {"stages": {"cell": {"foreach": [str(number) for number in range(cells)], "do": stage}}},
        "dvc.lock": {"schema": "2.0", "stages": locked},
    }.items():
        with Path(name).open("w") as file:
            yaml.dump(content, file)
    start = time.perf_counter()
    repo = Repo()
    stages = repo.index.stages
    read = time.perf_counter() - start
    stages[0].cmd += " again"
    start = time.perf_counter()
    Lockfile(repo, "dvc.lock").dump(stages[0])
    written = time.perf_counter() - start
    return {"megabytes": Path("dvc.lock").stat().st_size / 1e6, "read": read, "write": written}


def _named(entry: dict[str, Any], number: int) -> dict[str, Any]:
    """A copy of an entry of dvc.lock for another cell, without params, which would have to be in params.yaml."""
    named = copy.deepcopy(entry)
    named["cmd"] = f"python -m pipeline scratch {number}"
    for out in named["outs"]:
        path = Path(out["path"])
        out["path"] = str(path.with_name(f"{number}{path.suffix}"))
    return {key: value for key, value in named.items() if key != "params"}


def _template(path: str) -> str:
    return str(Path(path).with_name("${item}" + Path(path).suffix))


MEASURES = {"engine": measure_engine, "loss": measure_loss, "lock": lambda cells: measure_lock(int(cells))}


def in_a_process(what: str, which: str, folder: Path) -> dict[str, Any]:
    """A measurement in a process of its own, whose engine ends with it."""
    command = [sys.executable, "-m", "benchmarks.cluster", "--measure", what, which]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(what, which, found, flush=True)
    return found


def table(engines: dict[str, Any], losses: dict[str, Any], locks: dict[int, Any]) -> str:
    """The Markdown of cluster.md."""
    ideal = TRAININGS * SLEEP / WORKERS
    lines = [
        "# Many machines: what engine and lock file cost",
        "",
        f"Made by `python -m benchmarks.cluster` on {joblib.cpu_count()} cores, {platform.machine()}, Python "
        f"{platform.python_version()}. {TRAININGS:,} stand-ins that sleep {SLEEP * 1000:.0f} ms, on {WORKERS} workers; "
        f"without any overhead they take {ideal:.0f} s.",
        "",
        "| engine | seconds | ms a training beyond that | core ms a training |",
        "|---|---:|---:|---:|",
    ]
    for engine, name in ENGINES.items():
        found = engines[engine]
        beyond, cores = ((value / TRAININGS * 1000) for value in (found["seconds"] - ideal, found["cores"]))
        lines.append(f"| {name} | {found['seconds']:.1f} | {beyond:.1f} | {cores:.1f} |")
    lines += [
        "",
        f"{FEW} stand-ins of {MOMENT} s on two nodes of Ray with a core each, one of them killed after {LOSS:.0f} s:",
        "",
        "| Ray | what becomes of them | seconds |",
        "|---|---|---:|",
        *(f"| {name} | {losses[key]['outcome']} | {losses[key]['seconds']:.0f} |" for key, name in LOSSES.items()),
        "",
        "DVC reads dvc.yaml and dvc.lock when it starts, and writes all of dvc.lock after every cell; a run of n cells "
        "writes it n times, while it grows.",
        "",
        "| cells | dvc.lock, MB | DVC reads, s | writes one cell, s | writes in a run of all, minutes |",
        "|---:|---:|---:|---:|---:|",
    ]
    for cells, found in locks.items():
        minutes = cells * found["write"] / 2 / 60
        figures = f"{found['megabytes']:.1f} | {found['read']:.1f} | {found['write']:.2f} | {minutes:,.1f}"
        lines.append(f"| {cells:,} | {figures} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "WHICH"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        what, which = given.measure
        print(json.dumps(MEASURES[what](which)), flush=True)
        for process in psutil.Process().children(recursive=True):  # servers of Ray, one of which may be waited for
            process.kill()
        os._exit(0)
    with tempfile.TemporaryDirectory() as name:
        engines = {engine: in_a_process("engine", engine, Path(name)) for engine in ENGINES}
        losses = {engine: in_a_process("loss", engine, Path(name)) for engine in LOSSES}
    locks = {}
    for cells in CELLS:
        with tempfile.TemporaryDirectory() as name:
            locks[cells] = in_a_process("lock", str(cells), Path(name))
    text = table(engines, losses, locks)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
