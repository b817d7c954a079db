"""Which settings of SimCLR and VICReg are worth it on ELPV? Linear probes with few labels, on rows that no arm tests.

    python -m benchmarks.self_supervised [WORKSPACE]    # about 40 minutes on two cores; rewrites the .md

WORKSPACE is a folder with the datasets and the untrained sources of a run of the default params (here, if none is
given). A ResNet-8 learns from the cells of pool `source`, by the pipeline's own functions, and is then judged twice by
a linear probe on its pooled features:

- `source pool`: learnt from 50 labels a class of the very pool, scored on the blocks that are left out (3 folds). No
  image of the target is looked at, so that params may be chosen by it.
- `few labels`: learnt from the labelled training rows of target `few-labels`, its penalty chosen on the validation
  rows, scored on those rows of the training folds whose labels the limit puts out of use; never on a fold's test rows.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score

from benchmarks.rows import arguments, fill
from pipeline.adaptation.linear import fit_linear
from pipeline.adaptation.problem import Labelled
from pipeline.config.loading import load_params
from pipeline.config.params import Params
from pipeline.config.schema import Pretrained, Target
from pipeline.pretraining.representation import effective_rank
from pipeline.pretraining.task import Task
from pipeline.registry.pretraining import PRETRAINING
from pipeline.stages import pretrain, split
from pipeline.store.files import read_parquet
from pipeline.store.paths import Paths
from pipeline.store.places import load
from pipeline.store.seeds import seed_for
from pipeline.training.batches import pixel_loader
from pipeline.training.folds import fold_parts
from pipeline.training.pooled import pooled_features, pooling

LABELS = 50  # a class
PROBED = ("source pool", "few labels")


class Trial(NamedTuple):
    """A way of pretraining, and what differs from params.yaml in its settings."""

    method: str | None  # None: random weights
    changed: dict[str, float]

    @property
    def name(self) -> str:
        if self.method is None:
            return "random weights"
        settings = ", ".join(f"{key} {value:g}" for key, value in self.changed.items())
        return f"{self.method} {settings}" if settings else f"{self.method} (as in params.yaml)"


TRIALS = (
    Trial(None, {}),
    Trial("supervised", {}),
    Trial("simclr", {}),
    Trial("vicreg", {}),
    Trial("simclr", {"temperature": 0.5}),
    Trial("simclr", {"temperature": 0.1}),
    Trial("simclr", {"smallest_crop": 0.2}),
    Trial("vicreg", {"smallest_crop": 0.2}),
    Trial("simclr", {"epochs": 60}),
    Trial("vicreg", {"epochs": 60}),
)


def learnt(trial: Trial, params: Params, paths: Paths, manifest: pd.DataFrame) -> keras.Model:
    """A ResNet-8 that has learnt from the cells of pool `source` (`supervised`: their type)."""
    label = "type" if trial.method == "supervised" else None
    method = trial.method or "simclr"
    what = {"pretrain": method, "init": "random", "dataset": "elpv", "pool": "source", "label": label}
    entry = Pretrained.model_validate(what)
    seed = seed_for(params.run.seed, "pretrain", trial.method or "none")
    backbone = pretrain.load_init(paths.source("random"), paths.dataset("elpv"), params.run.precision, seed)
    if trial.method is None:
        return backbone
    examples = pretrain.learnable(manifest, entry, params.run.validation_fraction, seed)
    settings = getattr(params.pretraining, method)
    task = Task(
        name=trial.name,
        backbone=backbone,
        images=paths.dataset("elpv").images,
        rows=examples["row"].to_numpy(),
        role=examples["role"].to_numpy(),
        labels=examples["label"].to_numpy() if label else None,
        augmentation=params.run.augmentation,
        kernels=params.run.kernels,
        settings=type(settings).model_validate(settings.model_dump() | trial.changed),
        seed=seed,
    )
    load(PRETRAINING[method].learn)(task)
    return backbone


def probed(features: np.ndarray, examples: pd.DataFrame, judged: str, folds: int) -> float:
    """Mean over folds of the balanced accuracy, on rows of role `judged`, of a probe on the labelled ones."""
    codes = pd.Categorical(examples["label"]).codes
    scores = []
    for fold in range(folds):
        parts = fold_parts(examples, fold, "balanced")
        given = [
            Labelled(features[part.positions], part.labels, part.weights) for part in (parts.train, parts.validation)
        ]
        rows = np.flatnonzero(examples[f"role_{fold}"] == judged)
        answers = fit_linear(given[0], given[1]).predict(features[rows]).argmax(1)
        scores.append(balanced_accuracy_score(codes[rows], answers))
    return float(np.mean(scores))


def row_of(trial: Trial, params: Params, paths: Paths) -> dict[str, Any]:
    """One line of the table: what was learnt, its effective rank, and what the probes say."""
    manifest = read_parquet(paths.dataset("elpv").manifest)
    network = pooling(learnt(trial, params, paths, manifest))
    load = pixel_loader(paths.dataset("elpv").images, manifest["row"].to_numpy(), "none")
    features = pooled_features(network, load, np.arange(len(manifest)))
    inside = features[(manifest["pool"] == "source").to_numpy()]
    found: dict[str, Any] = {"learnt by": trial.name, "rank": effective_rank(inside.astype("float64"))}
    for name, pool, judged in zip(PROBED, ("source", "target"), ("test", "unused"), strict=True):
        target = Target(dataset="elpv", label="defect", pool=pool, labels_per_class=LABELS)
        examples = split.split(manifest, target, params, "few-labels")
        place = pd.Series(np.arange(len(manifest)), manifest["row"])[examples["row"]].to_numpy()
        found[name] = probed(features[place], examples, judged, params.run.folds)
    return found


HEAD = """# What self-supervised pretraining is worth with few labels

Written by `python -m benchmarks.self_supervised`, which also says what is run. A ResNet-8 at 80 pixels, one seed;
balanced accuracy of linear probes, means over three grouped folds. What differs from params.yaml is named. `rank` is
the effective rank of the pooled features of the images that were learnt from.
"""
CONCLUSION = """
On the target's cells no row differs from random weights by more than .03, and three folds of one seed cannot tell such
differences apart. On the source's pool, whose images were learnt from without these labels, SimCLR as it stands in
params.yaml is the best of what was run, by .03 over temperature 0.1. Nothing here is a reason to change it.
"""


def write(rows: list[Any]) -> None:
    """Write the rows that are there, and which are not."""
    heads = ["learnt by", *PROBED, "rank"]
    lines = [HEAD, f"| {' | '.join(heads)} |", "|---|---:|---:|---:|"]
    for row in rows:
        numbers = (f"{row[PROBED[0]]:.3f}", f"{row[PROBED[1]]:.3f}", f"{row['rank']:.1f}")
        lines += [f"| {' | '.join([row['learnt by'], *numbers])} |"]
    print(lines[-1], flush=True)
    missing = [trial.name for trial in TRIALS if trial.name not in {row["learnt by"] for row in rows}]
    lines += [f"\nNot run yet: {'; '.join(missing)}."] if missing else []
    Path(__file__).with_suffix(".md").write_text("\n".join([*lines, CONCLUSION]), encoding="utf-8")


def main() -> None:
    """Fill the table and write it beside this file."""
    options = arguments(__doc__)
    params, paths = load_params(Path(__file__).parents[1] / "params.yaml"), Paths(options.workspace.resolve())
    trials = {trial.name: trial for trial in TRIALS}
    keys = [{"learnt by": name} for name in trials]
    fill(keys, lambda key: row_of(trials[key["learnt by"]], params, paths), options.rows, write)


if __name__ == "__main__":
    main()
