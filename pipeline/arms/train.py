"""One fold of one arm: a pure call, with everything it needs in its spec and no state shared with its neighbours."""

import math
from dataclasses import dataclass, replace
from typing import Any

import keras
import pandas as pd

from pipeline.arms.networks import Trainee
from pipeline.arms.predictions import predictions_table
from pipeline.arms.spec import FoldResult, FoldSpec, Setting
from pipeline.networks.flops import forward_and_backward, spending
from pipeline.networks.freezing import assert_unmoved, batch_norm_statistics
from pipeline.store.files import read_parquet, sha256_file
from pipeline.store.progress import progress
from pipeline.store.seeds import seed_for
from pipeline.training.augmentation import view_count
from pipeline.training.batches import Loader, activation_loader, epoch_shape, feature_loader, pixel_loader
from pipeline.training.engine import compiled_like, copy_state
from pipeline.training.fit import Fit, fit, probabilities
from pipeline.training.folds import Fold, fold_parts
from pipeline.training.live_log import live_log


@dataclass(frozen=True)
class _Trial:
    """One setting's fit."""

    setting: Setting
    trainee: Trainee
    fit: Fit
    trajectory: list[pd.DataFrame]


def train_fold(spec: FoldSpec) -> FoldResult:
    """Fit every setting of the sweep, keep the one with the lowest validation loss, predict the test part with it.

    The test part is only ever predicted: neither the setting nor the epoch is chosen on it.
    """
    forecast = {"forecast_sha256": sha256_file(spec.forecast)} if spec.forecast else {}
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
        cost=_cost(spec.fold, trials, best, parts) | forecast,
    )


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

    trainee, trajectory = build(), list[pd.DataFrame]()
    views = view_count(spec.augmentation)
    plan = replace(spec.plan, learning_rate=setting.learning_rate, views=views, seed=seed)
    spent, held_out = spending(trainee.trained), len(parts.validation.positions)
    frozen = batch_norm_statistics(trainee.whole)
    model = compiled_like(trainee.trained, lambda: build().trained, plan)
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

        depth = trainee.depth
        fitted = fit(model, load, parts.train, parts.validation, plan, on_epoch, bar.update, depth)
    copy_state(model, trainee.trained)  # what is saved was never compiled: it carries no optimizer
    assert_unmoved(frozen, batch_norm_statistics(trainee.whole))  # whatever Keras made of `trainable`
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
