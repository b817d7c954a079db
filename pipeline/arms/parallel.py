"""Run the trainings of an arm, as many at once as joblib's ambient configuration says, each on one thread.

One training on one thread uses a core better than one on several: EfficientNet-Lite0 takes 12.6 ms of a core an image
alone, 20 ms on two threads. So an arm on n cores is n trainings at once, and results do not depend on n.

The runner sets the configuration from `run.workers`; without one, or while other cells use all cores, trainings run in
this process one after another.
"""

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path

import joblib
from joblib.externals.loky import get_reusable_executor
from joblib.parallel import get_active_backend

from pipeline.arms.keeping import KeptFold
from pipeline.arms.spec import FoldResult, FoldSpec
from pipeline.store.cores import free_cores, one_core
from pipeline.store.errors import InputError
from pipeline.store.files import read_parquet
from pipeline.store.interrupts import no_interrupts
from pipeline.store.kept import PROGRESS
from pipeline.store.progress import counting_into, one_bar
from pipeline.store.roles import role_column
from pipeline.training.batches import epoch_shape

# Images to train on, all epochs of all trainings together, from which on workers pay: a worker imports Keras and traces
# the network, about ten seconds.
LEAST_IMAGES = 10_000

Call = Callable[[FoldSpec], FoldResult]


@dataclass(frozen=True)
class _Task:
    """One training: what trains it, the file in which its images are counted, how many are planned, and its cell."""

    call: Call
    fold: KeptFold
    count: Path
    planned: int
    cell: str

    def run(self) -> None:
        with one_core(), counting_into(self.count):
            begun = time.perf_counter()
            result = self.call(self.fold.spec)
            self.fold.keep(result, {"cell": self.cell, "seconds": round(time.perf_counter() - begun, 3)})
        self.count.write_text(str(self.planned))  # a training that stopped early is done too


def train_and_store(folds: list[KeptFold], call: Call, label: str) -> None:
    """Train folds and store their results, with one progress bar.

    Args:
        call: trains one fold.
        label: of the bar: the cell, STAGE@NAME.

    Raises:
        InputError: a training's own, or a worker process was killed.
    """
    planned = [planned_images(fold.spec) for fold in folds]
    if not folds:
        return
    shared = folds[0].store.folder  # also where workers run on other machines
    shared.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=PROGRESS, dir=shared) as folder:
        counts = [Path(folder, str(number)) for number in range(len(folds))]
        tasks = [_Task(call, *each, label) for each in zip(folds, counts, planned, strict=True)]
        with one_bar(counts, sum(planned), label, "image"):
            while tasks:
                if (workers := workers_for(tasks)) > 1:
                    _run_in_workers(tasks, workers, label)
                    break
                tasks.pop(0).run()


def workers_for(tasks: list[_Task]) -> int:
    """How many workers these trainings are worth now: 1, which is this process, where other cells use all cores."""
    images = sum(task.planned for task in tasks if task.fold.spec.kind != "features")  # a head trains in seconds
    if images < LEAST_IMAGES:
        return 1
    on_cluster = getattr(get_active_backend()[0], "elsewhere", False)  # whose cores are not those of this run
    return min(joblib.effective_n_jobs(None), len(tasks), len(tasks) if on_cluster else 1 + free_cores())


def _run_in_workers(tasks: list[_Task], workers: int, label: str) -> None:
    try:
        parallel = joblib.Parallel(n_jobs=workers, batch_size=1, pre_dispatch="all", return_as="generator")
        with no_interrupts():  # workers inherit that: after Ctrl-C this process ends them, and they say nothing
            results = parallel(joblib.delayed(task.run)() for task in tasks)
        for _ in results:
            pass
        get_reusable_executor(reuse=True).shutdown()  # the time and memory of its workers count once they have ended
    except BrokenExecutor:
        raise InputError(
            f"{label}: a worker process ended, most likely killed for lack of memory. Finished trainings are kept. "
            f"Set `run.workers` below {workers}, or close what else uses memory, and run again."
        ) from None


def planned_images(spec: FoldSpec) -> int:
    """The images that a training sees, repeated ones included, if nothing stops it early."""
    roles = read_parquet(spec.examples)[role_column(spec.fold)]
    shape = epoch_shape(int((roles == "train").sum()), spec.plan.batch_size, spec.plan.min_steps)
    return len(spec.settings) * spec.plan.epochs * shape.steps * shape.size
