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
from pipeline.store.outs import ArmPaths, KeptPaths

SUMMED = ("gflops", "forward_gflops", "backward_gflops")  # of an arm's folds


def train_arm(
    specs: list[FoldSpec], out: ArmPaths, kept: KeptPaths, call: Callable[[FoldSpec], FoldResult] = train_fold
) -> str:
    """Train all folds of an arm and write its out as a whole; returns a line for the log.

    Every finished fold is kept until the out is in place; those of an interrupted run are taken up (see keeping.py).
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
