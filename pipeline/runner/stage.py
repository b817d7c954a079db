"""Running one stage: its slice of params, a lock on its outs, an end with its parent, one line of log, an exit code."""

import fcntl
import importlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from pipeline.config.loading import load_params
from pipeline.config.params import Params
from pipeline.networks.device import use_device
from pipeline.runner.clock import clock
from pipeline.runner.parent import die_with_parent
from pipeline.runner.system_faults import memory_setting, system_faults
from pipeline.store.errors import InputError
from pipeline.store.files import write_json
from pipeline.store.paths import Paths

# stage -> the section of params.yaml whose entries are its cells (None: the stage is one cell)
STAGES: dict[str, str | None] = {
    "ingest": "datasets",
    "validate": "datasets",
    "split": "targets",
    "source": "sources",
    "pretrain": "pretrained",
    "extract": "transfers",
    "forecast": "transfers",
    "head": "transfers",
    "tune": "transfers",
    "scratch": "baselines",
    "rescale": "rescaled",
    "adapt": "adaptations",
    "evaluate": "questions",
    "report": None,
}
KERAS_STAGES = (
    "source",
    "pretrain",
    "extract",
    "forecast",
    "head",
    "tune",
    "scratch",
    "rescale",
    "adapt",
)  # these use a device and write a clock
# beside a stage's seconds, where there is a GPU that Keras does not find
IDLE = (
    "{} idle: install what Keras needs for it by `pip install -c constraints.txt -e '.[gpu]'`, or set run.device to cpu"
)


def run_stage(stage: str, name: str | None, root: Path = Path()) -> None:
    """Run one cell of the pipeline.

    Raises:
        InputError: params, the name, or what the stage reads are wrong, the cell is being made already, or the system
            refuses room, rights or memory.
    """
    die_with_parent()
    paths = Paths(root)
    params = load_params(paths.params)
    cell = check_cell(stage, name, params)
    with system_faults(paths.root, memory_setting(stage, params, cell)):
        line = _make(stage, cell, params, paths)
    print(f"{stage}{f'@{cell}' if name else ''}: {line}", flush=True)


def _make(stage: str, cell: str, params: Params, paths: Paths) -> str:
    """Have the stage make its outs, and write its clock; returns its line of log: what it made, how long that took."""
    if stage in KERAS_STAGES:
        use_device(params.run.device)  # before the stage's module imports Keras
    module = importlib.import_module(f"pipeline.stages.{stage}")
    with locked(paths.lock(stage, cell)):
        start = time.perf_counter(), time.process_time()
        line = module.run(params.slice(tracked_keys(module, params, cell)), paths, cell)
        seconds, cpu_seconds = time.perf_counter() - start[0], time.process_time() - start[1]
        took = f"{seconds:.1f} s"
        if stage in KERAS_STAGES:
            times = clock(seconds, cpu_seconds)
            took += f" on {times['device']}"
            if idle := times["idle_gpus"]:
                took += f"; {IDLE.format(', '.join(idle))}"
            write_json(paths.clock(stage, cell), times)
    return f"{line} [{took}]"


def check_cell(stage: str, name: str | None, params: Params) -> str:
    """Return the cell's name ("" for a stage of one cell).

    Raises:
        InputError: no such stage, or no such entry in its section of params.yaml.
    """
    if stage not in STAGES:
        raise InputError(f"No stage '{stage}'. Stages: {', '.join(STAGES)}.")
    section = STAGES[stage]
    if section is None:
        if name is not None:
            raise InputError(f"Stage '{stage}' takes no name, received '{name}'.")
        return ""
    entries = getattr(params, section)
    if name not in entries:
        raise InputError(
            f"Stage '{stage}' takes a name from `{section}` of params.yaml ({', '.join(entries)}), received {name!r}."
        )
    return str(name)


def tracked_keys(module: ModuleType, params: Params, cell: str) -> tuple[str, ...]:
    """Fill the placeholders of a stage's TRACKS: {name} by the cell, {target} and such by the entry's fields."""
    section = STAGES[module.__name__.rpartition(".")[2]]
    entry = getattr(params, section)[cell].model_dump(exclude_none=True) if section else {}
    return tuple(key.format(**{**entry, "name": cell}) for key in module.TRACKS)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a cell's lock while its outs are made; the system frees it when the process ends, however it ends.

    Raises:
        InputError: another process holds it, named by its pid.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid = file.read().strip() or "unknown"
            raise InputError(
                f"{path.stem} is being made by process {pid}. Wait for it, or end it with `kill {pid}`, and run again."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
