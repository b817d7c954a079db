"""Which transfers are likely to help or to hurt on ELPV? Estimated on pool `source` alone, before any is asked about.

    python -m benchmarks.candidates WORKSPACE --rows CSV    # about 10 minutes on one core; rewrites the .md

WORKSPACE: see benchmarks/networks.py. Pool `source` is divided once more by
whole groups: sources are pretrained on half A, transfers and training from scratch learn and are judged on half B, in
FOLDS folds of each repeat. A row is one fold of one transfer with the training from scratch beside it.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import keras
import numpy as np
import pandas as pd

from benchmarks.rows import arguments, fill
from benchmarks.source_pool import FOLDS, SEED, Budget, World, from_scratch, headed, tuned
from pipeline.config.loading import load_params
from pipeline.config.schema import Pretrained, Target
from pipeline.datasets.grouping import assign_pools
from pipeline.networks.architectures import build_backbone
from pipeline.networks.device import use_device
from pipeline.networks.freezing import cut_layer
from pipeline.networks.saving import load_model, save_model
from pipeline.pretraining.task import Task
from pipeline.registry.pretraining import PRETRAINING
from pipeline.stages.extract import extract_pooled
from pipeline.stages.pretrain import learnable
from pipeline.stages.split import split
from pipeline.store.files import read_parquet
from pipeline.store.paths import Paths
from pipeline.store.places import load
from pipeline.store.seeds import seed_for
from pipeline.training.folds import Fold, Part, fold_parts

NETWORK, PIXELS, STEPS = "cifar_resnet8", 80, 100  # of the transfers and of training from scratch
HALVES = {"A": 0.5, "B": 0.5}
MONITORED = 0.34  # of what sources learn from, in whole groups; a half has few, and every class must be among them


@dataclass(frozen=True)
class Candidate:
    """A transfer: what its source learns (None: nothing), what its target is, and how much of it is tuned."""

    source: dict[str, Any]
    target: dict[str, Any]
    unfreeze: int | str = "all"
    steps: int = STEPS
    repeats: int = 1


DEFECT = {"label": "defect", "pool": "B", "labels_per_class": 50}
CANDIDATES = {
    "cell type -> defect": Candidate({"pretrain": "supervised", "label": "type", "pool": "A"}, DEFECT),
    "defect -> cell type, frozen": Candidate(
        {"pretrain": "supervised", "label": "defect", "pool": "A"}, {"label": "type", "pool": "B"}, 0, 200
    ),
    "cell type -> defect, frozen": Candidate(
        {"pretrain": "supervised", "label": "type", "pool": "A"}, {"label": "defect", "pool": "B"}, 0, 200
    ),
    "mono defects -> poly defects": Candidate(
        {"pretrain": "supervised", "label": "defect", "where": {"type": "mono"}},
        {"label": "defect", "where": {"type": "poly"}, "labels_per_class": 50},
    ),
    "cells (rotation) -> defect, frozen": Candidate(
        {"pretrain": "rotation", "pool": "A"}, {"label": "defect", "pool": "B"}, 0, 200
    ),
    "cells (SimCLR) -> defect, frozen": Candidate(
        {"pretrain": "simclr", "pool": "A"}, {"label": "defect", "pool": "B"}, 0, 200
    ),
    "cells (rotation) -> cell type, frozen": Candidate(
        {"pretrain": "rotation", "pool": "A"}, {"label": "type", "pool": "B"}, 0, 200
    ),
    "digits -> cell type, frozen": Candidate(
        {"pretrain": "supervised", "label": "label", "dataset": "digits"}, {"label": "type"}, 0, 200, repeats=2
    ),
    "digits -> defect, frozen": Candidate(
        {"pretrain": "supervised", "label": "label", "dataset": "digits"}, {"label": "defect"}, 0, 200
    ),
    "cells (SimCLR) -> defect": Candidate({"pretrain": "simclr", "pool": "A"}, DEFECT),
}


class Halves(World):
    """The world of benchmarks/networks.py, its pool divided into halves."""

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """The manifest of pool `source`, with the half of every image as its pool."""
        table = super().manifest
        labels = table[list(self.params.datasets["elpv"].labels)]
        return table.assign(pool=assign_pools(labels, table["unit"].to_numpy(), HALVES, seed_for(SEED, "halves")))

    def source(self, source: dict[str, Any]) -> Path:
        """The file of a source, pretrained by the settings of params.yaml where it is not yet."""
        path = self.folder / f"{'-'.join(str(part) for part in source.values() if isinstance(part, str))}.keras"
        if path.exists():
            return path
        entry = Pretrained.model_validate({"init": "random", "dataset": "elpv"} | source)
        seed, started = seed_for(SEED, "pretrain", path.stem), process_time()
        own = self.paths.dataset(entry.dataset)
        ours = entry.dataset == "elpv"
        examples = learnable(self.manifest if ours else read_parquet(own.manifest), entry, MONITORED, seed)
        backbone = build_backbone(NETWORK, PIXELS, seed)
        task = Task(
            name=path.stem,
            backbone=backbone,
            images=self.images(PIXELS) if ours else own.images,
            rows=examples["row"].to_numpy(),
            role=examples["role"].to_numpy(),
            labels=examples["label"].to_numpy() if entry.label else None,
            augmentation=self.params.run.augmentation,
            kernels="fused",
            settings=getattr(self.params.pretraining, entry.pretrain),
            seed=seed,
        )
        history = load(PRETRAINING[entry.pretrain].learn)(task).history
        print(path.stem, history[-1], f"{process_time() - started:.0f} CPU seconds", flush=True)
        save_model(backbone, path)
        return path


def at_rows(part: Part, rows: np.ndarray) -> Part:
    """A part whose positions count the images of the pool, not the examples of the target."""
    return replace(part, positions=rows[part.positions])


def parts_of(world: Halves, target: Target, repeat: int, fold: int) -> Fold:
    """The parts of one fold of a target."""
    run = world.params.run.model_copy(update={"seed": seed_for(SEED, "repeat", repeat), "folds": FOLDS})
    examples = split(world.manifest, target, world.params.model_copy(update={"run": run}), "candidates")
    parts, rows = fold_parts(examples, fold, run.class_weight), examples["row"].to_numpy()
    return Fold(*(at_rows(part, rows) for part in (parts.train, parts.validation, parts.test)))


def transferred(world: Halves, candidate: Candidate, parts: Fold, seed: int) -> dict[str, Any]:
    """Train a head on the source's features and, unless all is frozen, tune both."""
    path = world.source(candidate.source)
    keras.utils.clear_session()
    backbone, pooled, head = load_model(path), path.with_suffix(".npy"), world.folder / "head.keras"
    if not pooled.exists():
        extract_pooled(backbone, world.pixels(PIXELS, "none"), len(world.manifest), pooled, path.stem)
    row = headed(world, pooled, parts, seed, head)
    if candidate.unfreeze == 0:
        return row
    cut, pixels = cut_layer(backbone, candidate.unfreeze), world.pixels(PIXELS, world.params.run.augmentation)
    return tuned(world, path, head, cut, PIXELS, pixels, Budget(candidate.steps), parts, seed)


def row_of(world: Halves, key: dict[str, Any]) -> dict[str, Any]:
    """One fold of a transfer, and of training from scratch with the same labels."""
    candidate, seed = CANDIDATES[key["transfer"]], seed_for(SEED, "candidates", key["repeat"], key["fold"])
    parts = parts_of(world, Target(dataset="elpv", **candidate.target), key["repeat"], key["fold"])
    keras.utils.clear_session()
    arms = {
        "scratch": from_scratch(world, NETWORK, PIXELS, Budget(candidate.steps), parts, seed),
        "transfer": transferred(world, candidate, parts, seed),
    }
    row = key | {f"{arm}_{name}": value for arm, own in arms.items() for name, value in own.items()}
    print(*key.values(), *(f"{arm} {own['last_balanced_accuracy']:.3f}" for arm, own in arms.items()), flush=True)
    return row


HEAD = """# Transfers that may help or hurt

Written by `python -m benchmarks.candidates`, which also says what is run: {network} at {pixels} pixels on pool `source`
alone, sources on one half of its groups, targets on the other; a source of digits leaves all groups to its target.
Balanced accuracy and ROC AUC of single trainings with the weights of the last epoch, means over folds and repeats; the
gain is that of the transfer over training from scratch, with its standard error over trainings.

| transfer | n | scratch | transfer | gain in balanced accuracy | gain in ROC AUC | failed, scratch / transfer |
|---|---:|---:|---:|---:|---:|---:|
"""
CONCLUSION = """
What follows; one repeat rules out large effects only:

- **Handwritten digits, frozen, are worse than scratch at telling the cell type in every fold** (-.42 +- .08, four
  trainings over two divisions of 22 groups): the largest loss of any source here, and one that needs no half of the
  cells. It is the default run's transfer that hurts.
- Digits do not hurt everywhere: frozen, they reached .68 at telling defects (twelve trainings of two sources, not in
  the table), where ResNet-8 from scratch reaches .70 (benchmarks/networks.md). It takes source and target to hurt.
- Frozen features of cells without labels are ahead of scratch on defects in every fold (SimCLR +.04 +- .004,
  rotation +.07 +- .04) and behind it on the cell type.
- Cell type -> defect with 50 labels: no gain is seen, from a source of 474 images. Sources of a whole pool learn from
  twice as many.
- **Frozen features of another label are no sure way to hurt**: cell type -> defect with all labels was level or better
  in every fold (+.13 +.01 +.01).
- Defect -> cell type, frozen, was worse in every fold (-.21 -.03 -.39). Its size cannot be read off here: half B has
  three groups of mono cells, so that a fold learns from two.
- Mono -> poly defects: no difference beyond the folds'.

Limits: all folds of a row share one source, whose seed variance is not seen; halves have nine and eleven groups;
sources of cells learnt for about 115 steps.
"""


def write(rows: list[dict[str, Any]]) -> None:
    """Write the rows that are there."""
    lines = []
    for name, own in pd.DataFrame(rows).groupby("transfer", sort=False):
        cells = [str(name), f"{len(own)}"]
        cells += [f"{own[f'{arm}_last_balanced_accuracy'].mean():.3f}" for arm in ("scratch", "transfer")]
        for metric in ("balanced_accuracy", "roc_auc"):
            gain = own[f"transfer_last_{metric}"] - own[f"scratch_last_{metric}"]
            spread = f" +- {gain.std() / len(gain) ** 0.5:.3f}" if len(gain) > 1 else ""
            cells.append(f"{gain.mean():+.3f}{spread}")
        cells.append(f"{own['scratch_last_failed'].sum()} / {own['transfer_last_failed'].sum()}")
        lines.append(f"| {' | '.join(cells)} |")
    missing = CANDIDATES.keys() - {row["transfer"] for row in rows}
    lines += [f"\nNot run yet: {'; '.join(sorted(missing))}."] if missing else []
    text = HEAD.format(network=NETWORK, pixels=PIXELS) + "\n".join([*lines, CONCLUSION])
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")


def main() -> None:
    """Fill the table and write it beside this file."""
    options = arguments(__doc__)
    params, root = load_params(Path(__file__).parents[1] / "params.yaml"), options.workspace.resolve()
    use_device("cpu")
    keys = [
        {"transfer": name, "repeat": repeat, "fold": fold}
        for name, candidate in CANDIDATES.items()
        for repeat in range(candidate.repeats)
        for fold in range(FOLDS)
    ]
    with TemporaryDirectory() as folder:
        world = Halves(params, Paths(root), Path(folder))
        fill(keys, lambda key: row_of(world, key), options.rows, write)


if __name__ == "__main__":
    main()
