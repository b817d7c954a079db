"""One fold of one arm: a call with everything it needs in its spec and no state shared with its neighbours."""

import itertools
import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from pipeline.frame.io import (
    read_json,
    read_parquet,
    replacing_folder,
    sha256_file,
    write_csv,
    write_json,
    write_parquet,
)
from pipeline.frame.outs import ArmPaths, KeptPaths
from pipeline.frame.progress import progress
from pipeline.frame.seeds import seed_for
from pipeline.networks.flops import forward_and_backward, spending
from pipeline.networks.freezing import assert_unmoved, batch_norm_statistics
from pipeline.training.arms import Network, Trainee
from pipeline.training.augmentation import view_count
from pipeline.training.batches import Loader, activation_loader, epoch_shape, feature_loader, pixel_loader
from pipeline.training.engine import compiled_like, copy_state
from pipeline.training.fit import Fit, Plan, fit, probabilities
from pipeline.training.folds import Fold, class_names, fold_parts
from pipeline.training.resume import KeptFold, take_up

SUMMED = ("gflops", "forward_gflops", "backward_gflops")  # of an arm's folds


@dataclass(frozen=True)
class Setting:
    """One point of an arm's sweep."""

    learning_rate: float
    l2: float


@dataclass(frozen=True)
class FoldSpec:
    """Everything that one fold of one arm depends on; arrays by path.

    `inputs` is images.npy, cut.npy or pooled.npy, as `kind` says: pixels, activations or features. `plan` is complete
    but for what the sweep's `settings` say. `forecast`, where there is one, was told before anything is trained: the
    cost says which one it was.
    """

    arm: str
    fold: int
    examples: Path
    kind: str
    inputs: Path
    network: Network
    settings: tuple[Setting, ...]
    plan: Plan
    dropout: float
    augmentation: str
    class_weight: str
    precision: str
    live: Path | None = None
    forecast: Path | None = None


@dataclass(frozen=True)
class FoldResult:
    """What one fold of one arm came to.

    `predictions`: one row a test image. `trajectory`: the same for every epoch that was the best so far on validation,
    with the epoch and what had been spent; the epoch that was kept is the last in it. `history`: one row an epoch of
    every setting. `cost`: counts, no clocks.
    """

    model: keras.Model
    predictions: pd.DataFrame
    trajectory: pd.DataFrame
    history: pd.DataFrame
    cost: dict[str, Any]


@dataclass
class _Trial:
    """One setting's fit."""

    setting: Setting
    trainee: Trainee
    fit: Fit
    trajectory: list[pd.DataFrame] = field(default_factory=list)


def sweep(learning_rates: list[float], l2: list[float] | None = None) -> tuple[Setting, ...]:
    """Every learning rate with every L2 penalty, in the order of params."""
    return tuple(Setting(rate, penalty) for rate, penalty in itertools.product(learning_rates, l2 or [0.0]))


def train_fold(spec: FoldSpec) -> FoldResult:
    """Fit every setting of the sweep, keep the one with the lowest validation loss, predict the test part with it.

    The test part is only ever predicted: neither the setting nor the epoch is chosen on it.
    """
    told = {"forecast_sha256": sha256_file(spec.forecast)} if spec.forecast else {}
    keras.config.set_dtype_policy(spec.precision)
    examples = read_parquet(spec.examples)
    parts = fold_parts(examples, spec.fold, spec.class_weight)
    load = loader_for(spec, examples)
    trials = [_try(spec, setting, load, parts, examples) for setting in spec.settings]
    best = min(trials, key=lambda trial: trial.fit.kept_loss)
    return FoldResult(
        model=best.trainee.whole,
        predictions=best.trajectory[-1].drop(columns=["epoch", "images_seen", "gflops"]),
        trajectory=pd.concat(best.trajectory, ignore_index=True),
        history=pd.concat([_history(spec.fold, trial, trial is best) for trial in trials], ignore_index=True),
        cost=_cost(spec.fold, trials, best, parts) | told,
    )


def train_arm(
    specs: list[FoldSpec], out: ArmPaths, kept: KeptPaths, call: Callable[[FoldSpec], FoldResult] = train_fold
) -> str:
    """Train all folds of an arm and write its out as a whole; returns a line for the log.

    Every finished fold is kept until the out is in place; those of an interrupted run are taken up (see resume.py).
    `call` is what runs a fold: a pool of processes or machines may stand here.
    """
    folds = take_up(kept, specs)
    for fold in folds:
        if not fold.finished:
            fold.keep(call(fold.spec))
    with replacing_folder(out.folder) as folder:
        costs = _collect(folds, ArmPaths(folder))
    shutil.rmtree(kept.folder)
    epochs = ", ".join(f"{cost['kept_epoch']}/{cost['epochs']}" for cost in costs)
    return f"{len(specs)} folds, epochs {epochs}, {sum(cost['gflops'] for cost in costs):,.0f} GFLOPs"


def _collect(folds: list[KeptFold], written: ArmPaths) -> list[dict[str, Any]]:
    """Write an arm's out from its finished folds; returns what each has cost."""
    for fold in folds:
        shutil.copyfile(fold.files.model, written.model(fold.spec.fold))
    write_parquet(written.predictions, _joined(fold.files.predictions for fold in folds))
    write_parquet(written.trajectory, _joined(fold.files.trajectory for fold in folds))
    write_csv(written.history, _joined(fold.files.history for fold in folds))
    costs = [read_json(fold.files.cost) for fold in folds]
    write_json(written.cost, {"folds": costs, **{count: sum(cost[count] for cost in costs) for count in SUMMED}})
    return costs


def _joined(tables: Iterable[Path]) -> pd.DataFrame:
    return pd.concat([read_parquet(table) for table in tables], ignore_index=True)


def loader_for(spec: FoldSpec, examples: pd.DataFrame) -> Loader:
    """The loader of a spec's kind of inputs."""
    if spec.kind == "pixels":
        return pixel_loader(spec.inputs, examples["row"].to_numpy(), spec.augmentation)
    return {"activations": activation_loader, "features": feature_loader}[spec.kind](spec.inputs)


def _try(spec: FoldSpec, setting: Setting, load: Loader, parts: Fold, examples: pd.DataFrame) -> _Trial:
    seed = seed_for(spec.plan.seed, spec.arm, spec.fold)

    def build() -> Trainee:
        keras.utils.clear_session()  # layer names, and so the bytes of a saved model, do not depend on what came before
        return spec.network.build(spec.dropout, setting.l2, seed)

    trial = _Trial(setting, build(), Fit())
    views = view_count(spec.augmentation)
    plan = replace(spec.plan, learning_rate=setting.learning_rate, views=views, seed=seed)
    spent, held_out = spending(trial.trainee.trained), len(parts.validation.positions)
    frozen = batch_norm_statistics(trial.trainee.whole)
    model = compiled_like(trial.trainee.trained, lambda: build().trained, plan)
    shape = epoch_shape(len(parts.train.positions), plan.batch_size, plan.min_steps)
    label = f"{spec.arm} fold {spec.fold} at {setting.learning_rate:g}"
    with (
        live_log(spec.live and spec.live / f"rate-{setting.learning_rate:g}-l2-{setting.l2:g}") as log,
        progress(total=plan.epochs * shape.steps * shape.size, label=label, unit="image") as bar,
    ):

        def on_epoch(row: dict[str, Any], kept: bool) -> None:
            row |= spent(row["images_seen"], row["epoch"] * held_out)  # validated once an epoch
            log(row)
            if kept:
                predicted = probabilities(model, load, parts.test.positions)
                table = predictions_table(examples, spec.fold, parts.test.positions, predicted)
                trial.trajectory.append(table.assign(**{k: row[k] for k in ("epoch", "images_seen", "gflops")}))

        depth = trial.trainee.depth
        trial.fit = fit(model, load, parts.train, parts.validation, plan, on_epoch, bar.update, depth)
    copy_state(model, trial.trainee.trained)  # what is saved was never compiled: it carries no optimizer
    assert_unmoved(frozen, batch_norm_statistics(trial.trainee.whole))  # whatever Keras made of `trainable`
    return trial


def predictions_table(examples: pd.DataFrame, fold: int, positions: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
    """The contract of predictions.parquet: row, image_id, fold, label, p_<class>... in the order of the examples."""
    table = examples.iloc[positions][["row", "image_id", "label"]].reset_index(drop=True)
    table.insert(2, "fold", fold)
    for index, name in enumerate(class_names(examples)):
        table[f"p_{name}"] = predicted[:, index].astype("float32")
    return table


def _history(fold: int, trial: _Trial, chosen: bool) -> pd.DataFrame:
    table = pd.DataFrame(trial.fit.history)
    table.insert(0, "fold", fold)
    table.insert(1, "learning_rate", trial.setting.learning_rate)
    table.insert(2, "l2", trial.setting.l2)
    return table.assign(chosen=chosen)


def _cost(fold: int, trials: list[_Trial], best: _Trial, parts: Fold) -> dict[str, Any]:
    """Counts of one fold: of the chosen setting, and of the whole sweep."""
    counted = ("images_seen", "gflops", "backward_gflops")
    whole = {count: sum(trial.fit.history[-1][count] for trial in trials) for count in counted}
    return {
        "fold": fold,
        "settings_tried": len(trials),
        "learning_rate": best.setting.learning_rate,
        "l2": best.setting.l2,
        "epochs": best.fit.epochs,
        "kept_epoch": best.fit.kept_epoch,
        "stopped_improving": best.fit.stopped_improving,
        "train_images": len(parts.train.positions),
        "images_seen": whole["images_seen"],
        "gflops_chosen": best.fit.history[-1]["gflops"],
        **forward_and_backward(whole["gflops"], whole["backward_gflops"]),
        "trainable_parameters": sum(math.prod(v.shape) for v in best.trainee.trained.trainable_variables),
    }


@contextmanager
def live_log(folder: Path | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Log the rows of one fit with DVCLive, to be watched while it runs."""
    if folder is None:
        yield lambda row: None
        return
    from dvclive import Live
    from scmrepo.exceptions import SCMError

    shutil.rmtree(folder, ignore_errors=True)
    try:
        started = Live(str(folder), dvcyaml=False, save_dvc_exp=False, report=None)
    except SCMError:  # a Git repository without a commit: what cannot be watched can still be trained
        yield lambda row: None
        return
    with started as live:

        def log(row: dict[str, Any]) -> None:
            live.step = row["epoch"]
            for name, value in row.items():
                if name != "epoch" and value is not None:
                    live.log_metric(name, value)
            live.make_summary()

        yield log
