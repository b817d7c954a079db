"""Train an arm: one fold is a pure function of its spec, and an arm is written once all its folds are finished."""

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from pipeline.arms.keeping import KeptFold, kept_folds
from pipeline.arms.networks import Trainee
from pipeline.arms.parallel import train_and_store
from pipeline.arms.predictions import predictions_table
from pipeline.arms.spec import FoldResult, FoldSpec, Setting
from pipeline.networks.flops import forward_and_backward, spending
from pipeline.networks.freezing import assert_unmoved, batch_norm_statistics
from pipeline.networks.fused import copy_state
from pipeline.networks.trainable import parameters
from pipeline.store.files import (
    read_json,
    read_parquet,
    replacing_folder,
    sha256_file,
    write_csv,
    write_json,
    write_parquet,
)
from pipeline.store.kept import Store
from pipeline.store.outs import SUMMED, ArmPaths, TrainedPaths
from pipeline.store.progress import progress
from pipeline.store.seeds import seed_for
from pipeline.training.augmentation import view_count
from pipeline.training.batches import Loader, epoch_shape, feature_loader
from pipeline.training.compile_cache import compiled_twin
from pipeline.training.fit import Fit, fit, probabilities
from pipeline.training.folds import Fold, fold_parts
from pipeline.training.live_log import live_log
from pipeline.training.on_device import cut_loader, images_loader

MOST_TOLD = 6  # folds whose epochs stand in the log


@dataclass(frozen=True)
class _Trial:
    """One setting's fit."""

    setting: Setting
    trainee: Trainee
    fit: Fit
    trajectory: list[pd.DataFrame]


def train_fold(spec: FoldSpec) -> FoldResult:
    """Fit every setting of the sweep, select by validation loss, and predict the test part with the selected one.

    The test part is only ever predicted: it selects neither the setting nor the epoch.
    """
    forecast = {"forecast_sha256": sha256_file(spec.forecast)} if spec.forecast else {}
    keras.config.set_dtype_policy(spec.precision)
    examples = read_parquet(spec.examples)
    parts = fold_parts(examples, spec.fold, spec.class_weight)
    load = _loader(spec, examples)
    trials = [_try(spec, setting, load, parts, examples) for setting in spec.settings]
    best = min(trials, key=lambda trial: trial.fit.kept_loss)
    return FoldResult(
        model=best.trainee.whole,
        predictions=best.trajectory[-1].drop(columns=["epoch", "images_seen", "gflops"]),
        trajectory=pd.concat(best.trajectory, ignore_index=True),
        history=pd.concat([_history(spec.fold, trial, trial is best) for trial in trials], ignore_index=True),
        cost=_cost(spec.fold, trials, best, parts) | forecast,
    )


def train_arm(
    specs: list[FoldSpec],
    name: str,
    out: TrainedPaths,
    store: Store,
    cell: str,
    facts: dict[str, Any],
    *,
    earlier: TrainedPaths | None = None,
    before_gflops: float = 0.0,
    call: Callable[[FoldSpec], FoldResult] = train_fold,
) -> str:
    """Train all folds of an arm and write its output as a whole; returns a line for the log.

    Finished folds are kept in the store, and those that are there are not trained again (keeping.py).

    Args:
        cell: STAGE@NAME, for the log.
        name: of the arm.
        facts: about the output, without the names of its arms.
        earlier: the output whose arms this one starts from; they are copied into this output.
        before_gflops: compute spent before training, such as the extraction of features.
        call: trains one fold; picklable where folds are trained in worker processes.
    """
    with store.in_use():
        folds = kept_folds(store, specs)
        missing = [fold for fold in folds if not fold.finished]
        if len(missing) < len(folds):
            print(f"{cell}: {len(folds) - len(missing)} of {len(folds)} folds are in the store", flush=True)
        train_and_store(missing, call, cell)
        with replacing_folder(out.folder) as folder:
            written = TrainedPaths(folder)
            names = copy_arms(earlier, written) if earlier else []
            written.arm(name).folder.mkdir()
            costs = _collect(folds, written.arm(name), before_gflops)
            write_json(written.facts, {**facts, "arms": [*names, name], "judged": name})
    epochs = ", ".join(f"{cost['kept_epoch']}/{cost['epochs']}" for cost in costs[:MOST_TOLD])
    epochs += ", ..." if len(costs) > MOST_TOLD else ""
    return f"{len(specs)} folds, epochs {epochs}, {sum(cost['gflops'] for cost in costs):,.0f} GFLOPs"


def copy_arms(source: TrainedPaths, copy: TrainedPaths) -> list[str]:
    """Copy the folders of all arms of an output into another; returns their names."""
    names: list[str] = read_json(source.facts)["arms"]
    for name in names:
        shutil.copytree(source.arm(name).folder, copy.arm(name).folder)
    return names


def _loader(spec: FoldSpec, examples: pd.DataFrame) -> Loader:
    if spec.kind == "pixels":
        return images_loader(spec.inputs, examples["row"].to_numpy(), spec.augmentation)
    if spec.kind == "activations":
        assert spec.places
        return cut_loader(spec.inputs, spec.places)
    return feature_loader(spec.inputs)


def _try(spec: FoldSpec, setting: Setting, load: Loader, parts: Fold, examples: pd.DataFrame) -> _Trial:
    seed = seed_for(spec.plan.seed, spec.arm, spec.fold)
    keras.utils.clear_session()  # layer names, and so the saved bytes, must not depend on earlier networks
    trainee, trajectory = spec.network.build(spec.dropout, setting.l2, seed), list[pd.DataFrame]()
    views = view_count(spec.augmentation)
    plan = replace(spec.plan, learning_rate=setting.learning_rate, views=views, seed=seed)
    spent, held_out = spending(trainee.trained), len(parts.validation.positions)
    frozen = batch_norm_statistics(trainee.whole)
    model = compiled_twin(trainee.trained, plan, spec.kernels)
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
                trajectory.append(table.assign(**{k: row[k] for k in ("epoch", "images_seen", "gflops")}))

        fitted = fit(model, load, parts.train, parts.validation, plan, on_epoch, bar.update, trainee.depth)
    copy_state(model, trainee.trained)  # the saved network was never compiled: it carries no optimizer
    assert_unmoved(frozen, batch_norm_statistics(trainee.whole))  # however Keras treats `trainable`
    return _Trial(setting, trainee, fitted, trajectory)


def _history(fold: int, trial: _Trial, chosen: bool) -> pd.DataFrame:
    table = pd.DataFrame(trial.fit.history)
    table.insert(0, "fold", fold)
    table.insert(1, "learning_rate", trial.setting.learning_rate)
    table.insert(2, "l2", trial.setting.l2)
    return table.assign(chosen=chosen)


def _cost(fold: int, trials: list[_Trial], best: _Trial, parts: Fold) -> dict[str, Any]:
    """Counts of one fold: of the chosen setting, and of the whole sweep."""
    counted = ("images_seen", "gflops", "backward_gflops")
    kept = best.fit.history[best.fit.kept_epoch]
    whole = {count: sum(trial.fit.history[-1][count] for trial in trials) for count in counted}
    return {
        "fold": fold,
        "settings_tried": len(trials),
        "learning_rate": best.setting.learning_rate,
        "l2": best.setting.l2,
        "epochs": best.fit.epochs,
        "kept_epoch": best.fit.kept_epoch,
        "stopped_improving": best.fit.stopped_improving,
        "validation": {"loss": best.fit.kept_loss, "balanced_accuracy": kept["val_balanced_accuracy"]},
        "train_images": len(parts.train.positions),
        "images_seen": whole["images_seen"],
        "gflops_chosen": best.fit.history[-1]["gflops"],
        **forward_and_backward(whole["gflops"], whole["backward_gflops"]),
        "trainable_parameters": parameters(best.trainee.trained.trainable_variables),
    }


def _collect(folds: list[KeptFold], written: ArmPaths, before_gflops: float) -> list[dict[str, Any]]:
    """Write an arm from its finished folds; returns the cost of each."""
    for fold in folds:
        shutil.copyfile(fold.files.model, written.model(fold.spec.fold))
    write_parquet(written.predictions, _joined(fold.files.predictions for fold in folds))
    write_parquet(written.trajectory, _joined(fold.files.trajectory for fold in folds))
    write_csv(written.history, _joined(fold.files.history for fold in folds))
    costs = [read_json(fold.files.cost) for fold in folds]
    sums = {count: sum(cost[count] for cost in costs) for count in SUMMED}
    write_json(written.cost, {"folds": costs, **sums, "before_gflops": before_gflops})
    return costs


def _joined(tables: Iterable[Path]) -> pd.DataFrame:
    return pd.concat([read_parquet(table) for table in tables], ignore_index=True)
