"""Run the trainings of an arm, as many at once as joblib's ambient configuration says, each on one thread.

One training on one thread uses a core better than one on several: EfficientNet-Lite0 takes 12.6 ms of a core an image
alone, 20 ms on two threads. So an arm on n cores is n trainings at once, and results do not depend on n.

The runner sets the configuration from `run.workers`; without one, trainings run in this process one after another.
"""

import tempfile
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from pathlib import Path

import joblib

from pipeline.arms.resuming import StoredFold
from pipeline.arms.spec import FoldResult, FoldSpec
from pipeline.store.cores import one_core
from pipeline.store.errors import InputError
from pipeline.store.files import read_parquet
from pipeline.store.progress import counting_into, one_bar
from pipeline.training.batches import epoch_shape

# Images to train on, all epochs of all trainings together, from which on workers pay: a worker imports Keras and traces
# the network, about ten seconds.
LEAST_IMAGES = 10_000

Call = Callable[[FoldSpec], FoldResult]


def train_and_store(folds: list[StoredFold], call: Call, label: str) -> None:
    """Train folds and store their results, with one progress bar.

    Args:
        call: trains one fold.
        label: of the bar.

    Raises:
        InputError: a training's own, or a worker process was killed.
    """
    planned = [planned_images(fold.spec) for fold in folds]
    workers = min(joblib.effective_n_jobs(None), len(folds)) if sum(planned) >= LEAST_IMAGES else 1
    with tempfile.TemporaryDirectory(prefix="progress-") as folder:
        counts = [Path(folder, str(number)) for number in range(len(folds))]
        tasks = (
            joblib.delayed(_train)(call, fold, count, images)
            for fold, count, images in zip(folds, counts, planned, strict=True)
        )
        with one_bar(counts, sum(planned), label, "image"):
            try:
                joblib.Parallel(n_jobs=workers, batch_size=1, pre_dispatch="all")(tasks)
            except BrokenExecutor:
                raise InputError(
                    f"{label}: a worker process ended, most likely killed for lack of memory. Finished trainings are "
                    f"kept. Set `run.workers` below {workers}, or close what else uses memory, and run again."
                ) from None


def planned_images(spec: FoldSpec) -> int:
    """The images that a training sees, repeated ones included, if nothing stops it early."""
    roles = read_parquet(spec.examples)[f"role_{spec.fold}"]
    shape = epoch_shape(int((roles == "train").sum()), spec.plan.batch_size, spec.plan.min_steps)
    return len(spec.settings) * spec.plan.epochs * shape.steps * shape.size


def _train(call: Call, fold: StoredFold, count: Path, planned: int) -> None:
    with one_core(), counting_into(count):
        fold.store(call(fold.spec))
    count.write_text(str(planned))  # a training that stopped early is done too
