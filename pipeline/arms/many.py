"""All trainings of an arm: those that are missing are run, and the arm's out is written as a whole."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.arms.keeping import KeptFold, take_up
from pipeline.arms.spec import FoldResult, FoldSpec
from pipeline.arms.train import train_fold
from pipeline.store.files import read_json, read_parquet, replacing_folder, write_csv, write_json, write_parquet
from pipeline.store.outs import ArmPaths, KeptPaths, TrainedPaths

Facts = dict[str, Any]
SUMMED = ("gflops", "forward_gflops", "backward_gflops")  # of an arm's folds


def train_arm(
    specs: list[FoldSpec],
    name: str,
    out: TrainedPaths,
    kept: KeptPaths,
    facts: Facts,
    *,
    earlier: TrainedPaths | None = None,
    before_gflops: float = 0.0,
    call: Callable[[FoldSpec], FoldResult] = train_fold,
) -> str:
    """Train all folds of an arm and write its output as a whole; returns a line for the log.

    Every finished fold is kept until the output is in place; those of an interrupted run are reused (see keeping.py).

    Args:
        name: of the arm. facts: of the output, without the names of its arms.
        earlier: the arms that this one goes on from; they become part of the output.
        before_gflops: what had to be spent before, such as the extraction of features.
        call: what trains a fold: a pool of processes or machines may stand here.
    """
    folds = take_up(kept, specs)
    for fold in folds:
        if not fold.finished:
            fold.keep(call(fold.spec))
    with replacing_folder(out.folder) as folder:
        written = TrainedPaths(folder)
        names = copy_arms(earlier, written) if earlier else []
        written.arm(name).folder.mkdir()
        costs = _collect(folds, written.arm(name), before_gflops)
        write_json(written.facts, {**facts, "arms": [*names, name], "judged": name})
    shutil.rmtree(kept.folder)
    epochs = ", ".join(f"{cost['kept_epoch']}/{cost['epochs']}" for cost in costs)
    return f"{len(specs)} folds, epochs {epochs}, {sum(cost['gflops'] for cost in costs):,.0f} GFLOPs"


def copy_arms(source: TrainedPaths, copy: TrainedPaths) -> list[str]:
    """Copy the folders of all arms of an output into another; returns their names."""
    names: list[str] = read_json(source.facts)["arms"]
    for name in names:
        shutil.copytree(source.arm(name).folder, copy.arm(name).folder)
    return names


def _collect(folds: list[KeptFold], written: ArmPaths, before_gflops: float) -> list[dict[str, Any]]:
    """Write an arm from its finished folds; returns the counts of each."""
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
