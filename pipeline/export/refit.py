"""Train one network on all images of a target, with the budget that the trainings of an arm kept.

It is trained by the very call that trains a fold. That one needs a validation and a test part too: both are one image
of each class once more, and decide nothing, since the number of epochs and the setting are given.
"""

import statistics
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from pipeline.arms.baseline import baseline_specs
from pipeline.arms.networks import HeadNetwork, Network, Trainee, TunedNetwork
from pipeline.arms.spec import FoldSpec, Setting
from pipeline.arms.specs import fold_specs, method_of
from pipeline.arms.train import train_fold
from pipeline.config.params import Params
from pipeline.config.schema import Fitting
from pipeline.networks.saving import save_model
from pipeline.prediction.members import HEAD, Member
from pipeline.store.files import check_sealed, read_json, read_npy, read_parquet, write_npy, write_parquet
from pipeline.store.outs import ArmPaths
from pipeline.store.paths import Paths
from pipeline.store.roles import role_column
from pipeline.training.folds import class_names, images_of
from pipeline.training.tuning import JOINT


@dataclass(frozen=True)
class Budget:
    """A setting of the sweep, and a number of epochs."""

    setting: Setting
    epochs: int


@dataclass(frozen=True)
class Refitted:
    """The network, from pixels or from the pooled features of `backbone`; `told`: how it was trained, in a sentence."""

    network: keras.Model
    backbone: Path | None
    told: str


@dataclass(frozen=True)
class FromPixels:
    """A tuned network, trained from pixels: activations at the cut are cached for the rows of the target only."""

    tuned: TunedNetwork

    def build(self, dropout: float, l2: float, seed: int) -> Trainee:
        trainee = self.tuned.build(dropout, l2, seed)
        return trainee._replace(trained=trainee.whole)


def refitted(params: Params, paths: Paths, reference: str, members: list[Member]) -> Refitted:
    """Train the network of an arm anew on all images of its target.

    Of a transfer whose folds chose between arms it is the arm that most folds chose, the tuned one of equals.

    Args:
        reference: transfers/NAME, baselines/NAME or rescaled/NAME.
    """
    section, _, name = reference.partition("/")
    counts = Counter(member.arm for member in members)
    arm = max(counts, key=lambda each: (counts[each], each.folder.name != HEAD))
    budget = kept_budget(read_json(arm.cost)["folds"])
    with tempfile.TemporaryDirectory(prefix="refit-") as folder:
        if section == "transfers":
            network = _transfer(params, paths, name, arm, budget, Path(folder))
        else:
            network = _baseline(params, paths, section, name, budget, Path(folder))
    alone = section == "transfers" and arm.folder.name == HEAD
    images = len(read_parquet(paths.target(params.at(section)[name].target).examples))
    return Refitted(
        network,
        paths.source(params.transfers[name].source).backbone if alone else None,
        f"one network ({arm.folder.name}) trained on all {images:,} images for {budget.epochs} epochs at learning rate "
        f"{budget.setting.learning_rate:g}, the median and the mode of what {counts[arm]} trainings kept",
    )


def kept_budget(folds: list[dict[str, Any]]) -> Budget:
    """The setting that most folds chose, the first of equals, and the median of the epochs that these kept.

    Args:
        folds: of cost.json.
    """
    settings = [Setting(fold["learning_rate"], fold["l2"]) for fold in folds]
    setting = Counter(settings).most_common(1)[0][0]
    kept = [fold["kept_epoch"] for fold, each in zip(folds, settings, strict=True) if each == setting]
    return Budget(setting, max(1, round(statistics.median(kept))))


def all_as_training(examples: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Examples of one fold that trains on all of them, and the row of each in `examples`: int (n + 2 k,).

    One image of each of k classes is there three times, for training, validation and test.
    """
    first = np.flatnonzero(~examples["label"].duplicated().to_numpy())
    index = np.concatenate([np.arange(len(examples)), first, first])
    roles = np.repeat(["train", "validation", "test"], [len(examples), len(first), len(first)]).astype(object)
    plain = examples[[column for column in examples if not str(column).startswith("role_")]]
    return plain.iloc[index].reset_index(drop=True).assign(**{role_column(0): roles}), index


def _baseline(params: Params, paths: Paths, section: str, name: str, budget: Budget, folder: Path) -> keras.Model:
    entry = params.at(section)[name]
    baseline = params.baselines[entry.baseline] if section == "rescaled" else entry
    source = paths.source(entry.source).backbone if section == "rescaled" else None
    if source:
        check_sealed(source.parent)
    spec = baseline_specs(params, paths, baseline, f"{section}/{name}", statistics_from=source)[0]
    table, _ = all_as_training(read_parquet(spec.examples))
    write_parquet(folder / "examples.parquet", table)
    return train_fold(_given(replace(spec, examples=folder / "examples.parquet"), budget)).model


def _transfer(params: Params, paths: Paths, name: str, arm: ArmPaths, budget: Budget, folder: Path) -> keras.Model:
    """The head alone, or the head and then the network that is fine-tuned from it."""
    transfer = params.transfers[name]
    features, source, images = paths.features(name), paths.source(transfer.source), images_of(paths, transfer.target)
    for needed in (features.folder, source.folder):
        check_sealed(needed)
    table, index = all_as_training(read_parquet(paths.target(transfer.target).examples))
    write_parquet(folder / "examples.parquet", table)
    write_npy(folder / "pooled.npy", read_npy(features.pooled)[index])

    def spec(which: str, fitting: Fitting, kind: str, inputs: Path, network: Network, budget: Budget) -> FoldSpec:
        (found,) = fold_specs(
            params.run,
            fitting,
            arm=which,
            examples=folder / "examples.parquet",
            kind=kind,
            inputs=inputs,
            networks=[network],
            settings=(budget.setting,),
            live=lambda fold: None,
            method=JOINT if which == HEAD else method_of(params, name),
        )
        return _given(found, budget)

    head_cost = ArmPaths(arm.folder.with_name(HEAD)).cost
    network = HeadNetwork(read_npy(features.pooled).shape[1], len(class_names(table)))
    head_budget = kept_budget(read_json(head_cost)["folds"])
    head = train_fold(spec(HEAD, params.head, "features", folder / "pooled.npy", network, head_budget)).model
    if arm.folder.name == HEAD:
        return head
    save_model(head, folder / "head.keras")
    cut, size = read_json(features.cost)["cut"], read_npy(images).shape[1]
    statistics = params.tune.batch_norm, params.tune.batch_norm_momentum
    tuned = TunedNetwork(source.backbone, folder / "head.keras", cut, size, *statistics)
    return train_fold(spec("tune", params.tune, "pixels", images, FromPixels(tuned), budget)).model


def _given(spec: FoldSpec, budget: Budget) -> FoldSpec:
    """A spec without a choice: one setting, and all of its epochs, the last of which is kept."""
    plan = replace(spec.plan, epochs=budget.epochs, patience=budget.epochs, keep="last")
    return replace(spec, arm=f"refit {spec.arm}", settings=(budget.setting,), plan=plan)
