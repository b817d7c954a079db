"""How long a run will take on this machine: measured speeds times the steps of every arm.

Aim: within a factor of 1.5 of what it takes, where the machine is as busy during the run as during the measurement.
"""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pipeline.commands.suggest import Suggestion
from pipeline.commands.tuned import architecture_of, tuned_architectures, unfreeze_of
from pipeline.config.params import Params
from pipeline.config.schema import Fitting
from pipeline.runner.workers import trainings_at_once
from pipeline.store.errors import InputError

PREDICT_BATCH = 64  # as training/batches.py
VIEWS = {"none": 1, "mirror": 2, "flips": 4, "dihedral": 8}  # as training/augmentation.py
WORTH_WORKERS = 10_000  # images of an arm from which on its trainings run in worker processes, as arms/parallel.py
KEPT = 0.6  # share of the epochs that are the best so far, whose test predictions are kept
# Seconds of what is not measured, on one idle core. Measured on the default run: what a cell costs beside its work
# (DVC, the process), what a training costs (its files, its log), the whole run before and after its cells.
CELL, TRAINING, AROUND = 1.0, 1.5, 12.0
STAGES = {
    "ingest": 2.0,
    "validate": 1.5,
    "split": 0.7,
    "source": 3.0,
    "extract": 3.0,
    "forecast": 4.0,
    "evaluate": 2.0,
    "report": 8.0,
}


@dataclass
class Work:
    """Seconds of one core that each cell takes, those in which no cell runs, and those of the longest training.

    While the last training runs, the other cores have nothing left to do.
    """

    cells: dict[str, float] = field(default_factory=dict)
    alone: float = 0.0
    longest: float = 0.0

    def seconds(self, workers: int) -> float:
        return self.alone + sum(self.cells.values()) / workers + self.longest * (1 - 1 / workers)


@dataclass(frozen=True)
class Estimate:
    """Seconds of the run.

    Attributes:
        seconds: while the machine is as busy as now.
        busy: how many times as long a training takes now as on an idle machine.
        work: by cell.
        workers: trainings at once.
    """

    seconds: float
    busy: float
    work: Work
    workers: int

    def sentence(self) -> str:
        minutes = f"about {_rounded(self.seconds)} on this machine ({self.workers} trainings at once)"
        if self.busy < 1.4:
            return minutes
        return f"{minutes} while it is as busy as now; about {_rounded(self.seconds / self.busy)} if it were idle"


def _rounded(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 90:
        return f"{max(1, round(minutes if minutes < 20 else 5 * round(minutes / 5)))} minutes"
    return f"{minutes / 60:.1f} hours" if minutes < 600 else f"{minutes / 60:.0f} hours"


def estimate(params: Params, suggestion: Suggestion, images: int, decode: float) -> Estimate:
    """Measure this machine and add up the run of these params.

    Args:
        decode: seconds to decode an image.

    Raises:
        InputError: the measurement fails.
    """
    workers = trainings_at_once(params.run)
    speed = measured(params, suggestion.classes, workers)
    work = work_of(params, suggestion, images, decode, speed, workers)
    return Estimate(work.seconds(workers), speed["busy"], work, workers)


def measured(params: Params, classes: int, workers: int) -> dict[str, float]:
    """Mean speeds over as many processes at once as the run has workers; see runner/speed.py.

    Raises:
        InputError: a process fails.
    """
    tuned = tuned_architectures(params)
    architectures = {baseline.architecture for baseline in params.baselines.values()}
    asked = {
        "size": params.run.image_size,
        "classes": classes,
        "architectures": {name: name in tuned for name in sorted(architectures)},
        "sha256": {baseline.architecture: baseline.sha256 for baseline in params.baselines.values()},
        "unfreeze": params.tune.unfreeze,
        "batch_norm": params.tune.batch_norm,
        "batch": {arm: getattr(params, arm).batch_size for arm in ("head", "tune", "scratch")},
        "kernels": params.run.kernels,
        "device": params.run.device,
    }
    command = [sys.executable, "-m", "pipeline.runner.speed"]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(workers)
    ]
    try:
        for process in processes:
            assert process.stdin
            with suppress(BrokenPipeError), process.stdin:  # it has ended: `_answer` says why
                process.stdin.write(json.dumps(asked))
        found = [_answer(process) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return {name: sum(one[name] for one in found) / len(found) for name in found[0]}


def _answer(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout and process.stderr
    text, fault = process.stdout.read(), process.stderr.read()
    try:
        answer: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    except (ValueError, IndexError):
        last = fault.strip().splitlines()[-1:] or ["it gave no answer"]
        raise InputError(f"The speed of this machine cannot be measured: {last[0]}. Go on with --no-measure.") from None
    return answer


def epoch_of(images: int, fitting: Fitting) -> tuple[int, int]:
    """Steps of an epoch and images of a step, as training/batches.py has them."""
    size = min(fitting.batch_size, images)
    passes = max(1, -(-fitting.min_steps * size // images))
    return passes * images // size, size


def work_of(
    params: Params, suggestion: Suggestion, images: int, decode: float, speed: dict[str, float], workers: int
) -> Work:
    """The seconds of every cell of a run.

    Args:
        images: of the dataset. decode: seconds to decode one. speed: see runner/speed.py.
    """
    run = _Run(params, suggestion, images, decode, speed, workers)
    work = Work(alone=2 * speed["ready"] + run.busy * (AROUND + STAGES["report"]))
    for stage, (section, seconds) in CELLS.items():
        fixed = run.busy * (CELL + STAGES.get(stage, 0.0))
        work.cells |= {f"{stage}@{name}": fixed + seconds(run, name) for name in getattr(params, section)}
    work.longest = max(work.cells.values()) / max(map(len, suggestion.roles.values()))
    return work


@dataclass(frozen=True)
class _Run:
    """What the seconds of a cell depend on; see `work_of`."""

    params: Params
    suggestion: Suggestion
    images: int
    decode: float
    speed: dict[str, float]
    workers: int

    @property
    def busy(self) -> float:
        return max(1.0, self.speed["busy"])

    def fits(self, target: str, fitting: Fitting, settings: int, step: float, predict: float, build: float) -> float:
        """Seconds of all trainings of an arm."""
        counts = self.suggestion.roles[target].to_numpy(int).tolist()
        fits = [fit_seconds((train, held_out, test), fitting, step, predict) for train, held_out, test in counts]
        return len(fits) * (self.busy * TRAINING + settings * build) + settings * sum(fits)

    def startup(self, target: str, fitting: Fitting, trace: float) -> float:
        """Seconds of tracing in each process that trains an arm, and of importing Keras in those that are workers."""
        counts = [int(count) for count in self.suggestion.roles[target]["train"]]
        if sum(fitting.epochs * math.prod(epoch_of(count, fitting)) for count in counts) < WORTH_WORKERS:
            return trace
        processes = min(self.workers, len(counts))
        return processes * trace + (processes - 1) * self.speed["ready"]

    def ingest(self, name: str) -> float:
        return 2 * self.images * self.decode * self.workers  # decoded twice at most, by all cores

    def pretrain(self, name: str) -> float:
        entry, learnt = self.params.pretrained[name], self.suggestion.learnt
        settings = getattr(self.params.pretraining, entry.pretrain)
        of = architecture_of(self.params, name)
        step = self.speed[f"{of} step"] * settings.batch_size / self.params.scratch.batch_size
        validated = math.ceil(learnt / 4 / PREDICT_BATCH) * self.speed[f"{of} predict"]
        epochs = settings.epochs * (learnt // settings.batch_size * step + validated)
        return self.speed[f"{of} trace"] + epochs + 2 * self.forward(of, learnt)

    def extract(self, name: str) -> float:
        entry = self.params.transfers[name]
        of, count = architecture_of(self.params, entry.source), self.count(entry.target)
        views = 0 if unfreeze_of(self.params, name) in (0, "all") else VIEWS[self.params.run.augmentation]
        below = max(0.0, self.speed[f"{of} predict"] - self.speed[f"{of} tune_predict"]) if views else 0.0
        trained = self.suggestion.roles[entry.target]["train"]
        in_all_views = count * (1 - math.prod(1 - trained / count))  # as if each fold drew for itself
        return self.forward(of, count) + in_all_views * max(views - 1, 0) * below / PREDICT_BATCH

    def forecast(self, name: str) -> float:
        entry = self.params.transfers[name]
        of, count = architecture_of(self.params, entry.source), self.count(entry.target)
        scores = self.busy * count * self.params.run.folds / 2000
        return self.speed[f"{of} build"] + self.forward(of, count) + scores

    def head(self, name: str) -> float:
        fitting, step = self.params.head, self.speed["head_step"]
        settings = len(fitting.learning_rate) * len(fitting.l2)
        return self.fits(self.params.transfers[name].target, fitting, settings, step, step / 2, 0.3 * self.busy)

    def tune(self, name: str) -> float:
        entry, fitting = self.params.transfers[name], self.params.tune
        if unfreeze_of(self.params, name) == 0:
            return 0.0
        of = architecture_of(self.params, entry.source)
        speeds = [self.speed[f"{of} {key}"] for key in ("tune_step", "tune_predict", "build")]
        trainings = self.fits(entry.target, fitting, len(fitting.learning_rate), *speeds)
        return trainings + self.startup(entry.target, fitting, self.speed[f"{of} tune_trace"])

    def scratch(self, name: str) -> float:
        entry, fitting = self.params.baselines[name], self.params.scratch
        speeds = [self.speed[f"{entry.architecture} {key}"] for key in ("step", "predict", "build")]
        trainings = self.fits(entry.target, fitting, len(fitting.learning_rate), *speeds)
        return trainings + self.startup(entry.target, fitting, self.speed[f"{entry.architecture} trace"])

    def forward(self, architecture: str, images: int) -> float:
        """Seconds of a whole backbone's features of so many images."""
        return images * self.speed[f"{architecture} predict"] / PREDICT_BATCH

    def count(self, target: str) -> int:
        """Images of a target."""
        return int(self.suggestion.roles[target].iloc[0].sum())


def _nothing(run: _Run, name: str) -> float:
    return 0.0


# stage -> the section whose entries are its cells, and what gives the seconds of one beside STAGES
CELLS: dict[str, tuple[str, Callable[[_Run, str], float]]] = {
    "ingest": ("datasets", _Run.ingest),
    "validate": ("datasets", _nothing),
    "split": ("targets", _nothing),
    "source": ("sources", _nothing),
    "pretrain": ("pretrained", _Run.pretrain),
    "extract": ("transfers", _Run.extract),
    "forecast": ("transfers", _Run.forecast),
    "head": ("transfers", _Run.head),
    "tune": ("transfers", _Run.tune),
    "scratch": ("baselines", _Run.scratch),
    "evaluate": ("questions", _nothing),
}


def fit_seconds(roles: tuple[int, int, int], fitting: Fitting, step: float, predict: float) -> float:
    """Seconds of one fit: its steps, the validation of every epoch, and test predictions where an epoch is the best.

    Args:
        roles: images to train on, to validate on and to test. step, predict: seconds of a batch.
    """
    train, validation, test = roles
    steps, size = epoch_of(train, fitting)
    validated = (fitting.epochs + 1) * math.ceil(validation / PREDICT_BATCH)
    tested = math.ceil(KEPT * (fitting.epochs + 1)) * math.ceil(test / PREDICT_BATCH)
    return fitting.epochs * steps * step * size / fitting.batch_size + (validated + tested) * predict
