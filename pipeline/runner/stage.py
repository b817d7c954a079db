"""Run one cell: check its deps, lock its outputs, call the stage with its slice of params, print a line of log."""

import fcntl
import importlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path, PurePosixPath
from typing import IO

import joblib
from threadpoolctl import threadpool_limits

from pipeline.config.loading import load_params
from pipeline.config.params import Params
from pipeline.networks.device import use_device
from pipeline.runner.clock import clock, cpu_seconds, kept_seconds
from pipeline.runner.declaration import Cell, all_cells, find_cell, read_stages
from pipeline.runner.parent import die_with_parent
from pipeline.runner.shared_folders import TOLD, delete_leftovers, make_absent, shared_folders
from pipeline.runner.system_faults import memory_setting, system_faults
from pipeline.runner.workers import parallel_trainings, share_memory
from pipeline.store.errors import InputError
from pipeline.store.files import check_sealed, write_json
from pipeline.store.kept import GIGABYTE, Store
from pipeline.store.paths import Paths
from pipeline.store.progress import say
from pipeline.store.wordless import edited_since

ARMS = ("head", "tune", "scratch", "rescale")  # stages that train the folds of an arm, which a cluster may do
PREDICTING = ("extract", "forecast")  # stages that use Keras and train nothing
POLL = 0.1  # seconds between two tries to get a lock
# printed after the seconds of a stage, where Keras does not find a GPU that there is
IDLE = (
    "{} idle: install what Keras needs for it by `pip install -c constraints.txt -e '.[gpu]'`, or set run.device to cpu"
)


def run_stage(stage: str, name: str | None, root: Path = Path()) -> None:
    """Run one cell of the pipeline, as dvc.yaml below `root` declares it.

    Raises:
        InputError: params, the name or an input are wrong, the cell is running already, or disk space, permission or
            memory is lacking.
    """
    die_with_parent()
    paths = Paths(root)
    stages, params = read_stages(paths.dvc_yaml), load_params(paths.params)
    cell = find_cell(stages, stage, name, params)
    with system_faults(paths.root, memory_setting(cell, params)):
        cells, shared = list(all_cells(stages, params)), shared_folders(stages)
        make_absent(shared, paths.root)
        check_deps(cell, cells, paths.root)
        check_code(cell, paths)
        line = _make(cell, params, paths)
        # DVC takes the checksums of the deps after this
        if deleted := delete_leftovers(shared.intersection(cell.deps), cells, paths.root):
            line += f"; {TOLD.format(len(deleted))}"
        pruned = Store(paths.store).prune(params.run.store_gb * GIGABYTE)
        if pruned and params.run.store_gb:
            line += f"; {len(pruned)} results left the store, which is full (run.store_gb)"
    say(f"{stage}{f'@{name}' if name else ''}: {line}")


def _make(cell: Cell, params: Params, paths: Paths) -> str:
    """Run the stage; write its clock if it uses a device; returns its line of log with its seconds."""
    if cell.uses_device:
        share_memory(params.run)
        # before the stage's module imports Keras
        use_device(params.run.device, params.run.precision, trains=cell.stage not in PREDICTING)
    module = importlib.import_module(f"pipeline.stages.{cell.stage}")
    cluster = params.run.cluster if cell.stage in ARMS else None
    at_once = parallel_trainings(params.run.workers, cluster) if cell.uses_device else nullcontext()
    with locked(paths.lock(cell.stage, cell.name)), at_once, threadpool_limits(1):  # BLAS: a cell is for one core
        start, since = (time.perf_counter(), cpu_seconds()), time.time()
        line = module.run(params.slice(cell.params), paths, cell.name)
        seconds, computed = time.perf_counter() - start[0], cpu_seconds() - start[1]
        took = f"{seconds:.1f} s"
        if cell.uses_device:
            kept = kept_seconds(Store(paths.store), f"{cell.stage}@{cell.name}", since)  # each on one core
            times = clock(seconds + kept, computed + kept, joblib.effective_n_jobs(None))
            took += f" on {times['device']}"
            if idle := times["idle_gpus"]:
                took += f"; {IDLE.format(', '.join(idle))}"
            for out in cell.outs:
                if (paths.root / out).is_relative_to(paths.clocks):
                    write_json(paths.root / out, times)
    return f"{line} [{took}]"


def check_deps(cell: Cell, cells: Iterable[Cell], root: Path) -> None:
    """Check the seal of every folder that other cells write and this one reads.

    A dep is such a folder or contains some. Outputs that are files have a suffix, and no seal.

    Args:
        cells: all of the run.
        root: the folder of dvc.yaml.

    Raises:
        InputError: a folder is absent, or a file in it is missing or damaged.
    """
    outs = sorted({PurePosixPath(out) for other in cells for out in other.outs})
    for out in outs:
        if not out.suffix and any(out.is_relative_to(dep) for dep in cell.deps):
            check_sealed(root / out)


def check_code(cell: Cell, paths: Paths) -> None:
    """Check that what runs is the code that DVC takes the cell to depend on, the copy that `code` made.

    Raises:
        InputError: a file was edited since, as while a run was going on.
    """
    for dep in cell.deps:
        copies = paths.root / dep
        if copies.is_relative_to(paths.code) and (edited := edited_since(copies, paths.code)):
            raise InputError(
                f"{edited} was edited after `code` had copied it, and {cell.stage} would be recorded with the code of "
                "before. Run the same command again; if that does not help, `dvc repro --force code`."
            )


@contextmanager
def locked(path: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock of a cell or of a whole run; the OS frees it when the process and its forks end, however they end.

    Args:
        patience: seconds to wait for it, such as for processes of a killed run, which end soon.

    Raises:
        InputError: another process holds it, named by its pid.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + patience
    with path.open("a+") as file:
        while not _lock(file):
            if time.monotonic() < until:
                time.sleep(POLL)
                continue
            file.seek(0)
            pid = file.read().strip() or "unknown"
            raise InputError(
                f"{path.stem} is being run by process {pid}. Wait for it, or end it with `kill {pid}`, and run again."
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
