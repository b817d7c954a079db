"""A pretrained source and an adaptation in the miniature run, made up: what `pretrain` and `adapt` would leave."""

import numpy as np
import pandas as pd
import tiny_world

from pipeline.store.files import read_parquet, replacing_folder, write_csv, write_json, write_parquet
from pipeline.store.outs import AdaptationPaths, SourcePaths
from pipeline.store.paths import Paths

SOURCE, NAME = "kind-source", "kind-unlabelled"
RIGHT = {"source_only": 0.55, "adapted": 0.8, "target_supervised": 0.95}  # share of images that an arm is right on
CARD = {
    "architecture": "tiny",
    "weights": "pretrained",
    "pretrain": "supervised",
    "init": "tiny",
    "dataset": "toy",
    "labels_used": "kind",
    "labels_inherited": ["toy.defect"],
    "permuted": False,
    "images": 24,
    "parameters": 1536,
    "origin": "supervised pretraining on toy",
    "licence": "CC0-1.0",
    "citation": "Nobody <i>, 1999",
    "representation": {"rank": 3.2, "variance": 0.1},
    "pretext": None,
    "cost": {
        "images_seen": 480,
        "gflops": 30.0,
        "forward_gflops": 11.0,
        "backward_gflops": 19.0,
        "inherited_gflops": 12.0,
        "reason": "nobody says",
    },
}
CLOCK = {"seconds": 1.0, "cpu_seconds": 1.5, "peak_memory_mb": 100.0, "device": "cpu"}


def predictions(examples, seed=0):
    """predictions.parquet of the three arms: each is right on its share of the images."""
    rng, classes, parts = np.random.default_rng(seed), sorted(examples["label"].unique()), []
    for arm, share in RIGHT.items():
        true = pd.Categorical(examples["label"], categories=classes).codes
        right = rng.permutation(len(examples)) < share * len(examples)
        first = np.where(right == (true == 0), 0.8, 0.2)
        table = examples[["row", "image_id", "fold", "label"]].copy()
        table.insert(0, "arm", arm)
        parts.append(table.assign(**{f"p_{classes[0]}": first, f"p_{classes[1]}": 1 - first}))
    return pd.concat(parts, ignore_index=True).sample(frac=1, random_state=seed)  # arms need not stand in order


def write_adaptation(world):
    """Add a pretrained source and an adaptation to a copy of the world: its params, and all that report reads."""
    paths = Paths(world.root)
    world.raw["pretrained"] = {SOURCE: {"pretrain": "supervised", "init": "tiny", "dataset": "toy", "label": "kind"}}
    world.raw["adaptations"] = {NAME: {"source": SOURCE, "target": "kind"}}
    tiny_world.write_params(world.root, world.raw)
    with replacing_folder(paths.source(SOURCE).folder) as folder:
        write_json(SourcePaths(folder).card, CARD)
    candidates = pd.DataFrame(
        {
            "fold": [0, 0, 1, 1],
            "method": ["source_only", "coral"] * 2,
            "strength": [None, 1.0] * 2,
            "criterion": [0.1, 0.2, 0.3, 0.2],
            "chosen": [False, True, True, False],
            "accuracy": [0.52, 0.73, 0.61, 0.49],
            "balanced_accuracy": [0.5, 0.75, 0.625, 0.5],
        }
    )
    with replacing_folder(paths.adaptation(NAME).folder) as folder:
        files = AdaptationPaths(folder)
        write_parquet(files.predictions, predictions(read_parquet(paths.target("kind").examples)))
        write_csv(files.candidates, candidates)
        folds = [{"fold": 0, "gflops": 2.0, "backward_gflops": 1.0}, {"fold": 1, "gflops": 3.0, "backward_gflops": 2.0}]
        write_json(files.cost, {"folds": folds, "gflops": 5.0, "backward_gflops": 3.0})
    for stage, cell in (("pretrain", SOURCE), ("adapt", NAME)):
        write_json(paths.clock(stage, cell), CLOCK)
    return paths
