"""Trainings on the images of pool `source` alone, for choices that no image of pool `target` may take part in.

Folds, labels and initial weights follow SEED, which no run uses. Every training goes to its last epoch, and is judged
on the fold's test part twice: with the weights of the epoch that the validation loss prefers, and of the last epoch.
"""

import os
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from pipeline.arms.networks import HeadNetwork, ScratchNetwork, Trainee, TunedNetwork
from pipeline.config.params import Params
from pipeline.config.schema import Fitting, Target
from pipeline.datasets.images import decode
from pipeline.datasets.readers.read import read_raw
from pipeline.networks.freezing import cut_layer, split_at
from pipeline.networks.fused import copy_state
from pipeline.networks.keras_files import at_size
from pipeline.networks.saving import load_model, save_model
from pipeline.stages.extract import extract_at_cut, extract_pooled
from pipeline.stages.split import split
from pipeline.store.files import read_parquet
from pipeline.store.outs import FeaturePaths
from pipeline.store.paths import Paths
from pipeline.store.seeds import seed_for
from pipeline.training.augmentation import view_count
from pipeline.training.batches import Loader, epoch_shape, feature_loader, pixel_loader
from pipeline.training.compile_cache import compiled_twin
from pipeline.training.fit import Plan, fit, probabilities
from pipeline.training.folds import Fold, fold_parts

SEED = 101
FOLDS = 3
EPOCHS = 10  # at least; more where one pass over the training images takes fewer steps than a tenth of a budget


@dataclass(frozen=True)
class Budget:
    """What differs from a section of params.yaml; 0: nothing does. `steps` are those of the optimizer, about."""

    steps: int = 0
    rate: float = 0.0
    batch: int = 0
    momentum: float = 0.0


@dataclass(frozen=True, eq=False)
class World:
    """The images of pool `source` at several sizes, and what is worked out from them once, in files of `folder`."""

    params: Params
    paths: Paths
    folder: Path

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """The manifest of pool `source`; `row` counts its images."""
        table = read_parquet(self.paths.dataset("elpv").manifest)
        return table[table["pool"] == "source"].reset_index(drop=True).assign(row=lambda own: np.arange(len(own)))

    def images(self, pixels: int) -> Path:
        """The images of that size, uint8 (n, pixels, pixels, 1)."""
        path = self.folder / f"images-{pixels}.npy"
        if not path.exists():
            dataset = self.params.datasets["elpv"]
            files = {image.name: image.path for image in read_raw(dataset, self.paths.root).images}
            found = [
                decode(files[name], pixels, dataset.max_pixels, dataset.min_side).pixels
                for name in self.manifest["name"]
            ]
            np.save(path, np.stack(found))
        return path

    def pixels(self, pixels: int, augmentation: str) -> Loader:
        """A loader of pixels by position in the manifest."""
        return pixel_loader(self.images(pixels), np.arange(len(self.manifest)), augmentation)

    @cache  # noqa: B019 - a handful of trials, one world
    def examples(self, labels: int, repeat: int) -> pd.DataFrame:
        """Folds and roles; those of one repeat differ in the number of labels alone, and labels are nested."""
        target = Target(dataset="elpv", label="defect", labels_per_class=labels or None)
        run = self.params.run.model_copy(update={"seed": seed_for(SEED, "repeat", repeat), "folds": FOLDS})
        return split(self.manifest, target, self.params.model_copy(update={"run": run}), "networks")

    def parts(self, labels: int, repeat: int, fold: int) -> Fold:
        """The parts of one fold of one repeat; `labels` a class, 0: all."""
        return fold_parts(self.examples(labels, repeat), fold, self.params.run.class_weight)

    def features(self, pixels: int, views: bool) -> FeaturePaths:
        """Lite0's pooled features and, with `views`, its activations under all views below the tuned blocks."""
        files = FeaturePaths(self.folder / f"lite0-{pixels}-{views}")
        if not files.folder.exists():
            files.folder.mkdir()
            keras.utils.clear_session()
            path, augmentation = self.paths.source("imagenet").backbone, self.params.run.augmentation
            backbone = at_size(load_model(path), pixels, path)
            load, count = self.pixels(pixels, augmentation), len(self.manifest)
            started = process_time()
            if views:
                trunk, top = split_at(backbone, cut_layer(backbone, self.params.tune.unfreeze))
                assert trunk is not None
                wanted = np.ones((count, view_count(augmentation)), bool)
                extract_at_cut(trunk, top, load, wanted, files, f"{pixels}")
            else:
                extract_pooled(backbone, load, count, files.pooled, f"{pixels}")
            took = process_time() - started
            print(f"extract {count} images at {pixels} pixels, views {views}: {took:.1f} CPU seconds", flush=True)
        return files


def scores(truth: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """Balanced accuracy and ROC AUC of probabilities (n, 2), and whether they answer one class alone."""
    answers = predicted.argmax(1)
    return {
        "balanced_accuracy": balanced_accuracy_score(truth, answers),
        "roc_auc": roc_auc_score(truth, predicted[:, 1]),
        "failed": len(np.unique(answers)) == 1,
    }


def plan_of(fitting: Fitting, budget: Budget, examples: int, seed: int, views: int) -> Plan:
    """The plan of a section of params.yaml with another budget, always up to the last epoch of a cosine."""
    batch, rate = budget.batch or fitting.batch_size, budget.rate or fitting.learning_rate[0]
    epochs, least = fitting.epochs, fitting.min_steps
    if budget.steps:
        a_pass = epoch_shape(examples, batch).steps
        least = -(-budget.steps // EPOCHS)
        epochs = max(EPOCHS, round(budget.steps / max(a_pass, least)))
    decay = fitting.weight_decay
    return Plan(rate, epochs, epochs, batch, "cosine", fitting.warmup, decay, seed, "last", views, least)


def trained(trainee: Trainee, load: Loader, parts: Fold, plan: Plan) -> dict[str, Any]:
    """Train to the last epoch; the scores of the best epoch by validation loss and of the last."""
    network = compiled_twin(trainee.trained, plan, "fused")
    found: dict[int, np.ndarray] = {}

    def on_epoch(row: dict[str, Any], kept: bool) -> None:
        if kept:
            found[row["epoch"]] = probabilities(network, load, parts.test.positions)

    began, cpu = perf_counter(), process_time()
    history = fit(network, load, parts.train, parts.validation, plan, on_epoch, depth=trainee.depth).history
    seconds, cpu = perf_counter() - began, process_time() - cpu
    copy_state(network, trainee.trained)
    losses = [row["val_loss"] for row in history]
    epochs = {"best": 1 + int(np.argmin(losses[1:])), "last": len(history) - 1}
    judged = {at: scores(parts.test.labels, found[epoch]) for at, epoch in epochs.items()}
    row = {f"{at}_{name}": value for at, own in judged.items() for name, value in own.items()}
    counts = {"best_epoch": epochs["best"], "epochs": epochs["last"], "images": len(parts.train.labels)}
    return row | counts | {"train_loss": history[-1]["loss"], "seconds": seconds, "cpu_seconds": cpu}


def from_scratch(world: World, network: str, pixels: int, budget: Budget, parts: Fold, seed: int) -> dict[str, Any]:
    """Train a network from random weights."""
    fitting, augmentation = world.params.scratch, world.params.run.augmentation
    momentum = budget.momentum or fitting.batch_norm_momentum
    trainee = ScratchNetwork(network, pixels, 2, momentum, None).build(fitting.dropout, 0.0, seed)
    plan = plan_of(fitting, budget, len(parts.train.labels), seed, view_count(augmentation))
    return trained(trainee, world.pixels(pixels, augmentation), parts, plan)


def headed(world: World, pooled: Path, parts: Fold, seed: int, save: Path | None = None) -> dict[str, Any]:
    """Train a linear probe on pooled features as the pipeline does; its last weights go to `save`."""
    fitting, features = world.params.head, np.load(pooled, mmap_mode="r").shape[1]
    trainee = HeadNetwork(features, 2).build(fitting.dropout, fitting.l2[0], seed)
    row = trained(trainee, feature_loader(pooled), parts, plan_of(fitting, Budget(), len(parts.train.labels), seed, 1))
    if save:
        save_model(trainee.whole, save)
    return row


def tuned(
    world: World,
    backbone: Path,
    head: Path,
    cut: str,
    pixels: int,
    load: Loader,
    budget: Budget,
    parts: Fold,
    seed: int,
) -> dict[str, Any]:
    """Tune a backbone above a cut together with a trained head; `load` gives what the cut puts out."""
    fitting, views = world.params.tune, view_count(world.params.run.augmentation)
    network = TunedNetwork(backbone, head, cut, pixels, fitting.batch_norm, fitting.batch_norm_momentum)
    trainee = network.build(fitting.dropout, 0.0, seed)
    return trained(trainee, load, parts, plan_of(fitting, budget, len(parts.train.labels), seed, views))
