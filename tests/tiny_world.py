"""A whole run in miniature: synthetic images, a backbone of two blocks, every stage after `validate` in seconds.

Labels are hostile on purpose: markup, a table's separator, half a formula, a word that CSV readers take for nothing.
"""

import contextlib
import copy
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from pipeline.config.loading import check_params
from pipeline.config.params import Params
from pipeline.runner import stage
from pipeline.store.files import (
    read_parquet,
    replacing_folder,
    sha256_file,
    write_csv,
    write_json,
    write_npy,
    write_parquet,
)
from pipeline.store.outs import DatasetPaths
from pipeline.store.paths import Paths

SIZE, IMAGES = 32, 48
BAD, GOOD = "<script>alert(1)</script> | $\\q$", "NA"
CELLS = (
    ("code", (None,)),
    ("split", ("defect", "kind", "square-defect")),
    ("leakage", (None,)),
    ("source", ("tiny",)),
    ("pretrain", ("round-defect",)),
    ("extract", ("to-defect", "to-kind")),
    ("forecast", ("to-defect", "to-kind")),
    ("head", ("to-defect", "to-kind")),
    ("tune", ("to-defect", "to-kind")),
    ("scratch", ("defect-tiny", "defect-again", "kind-tiny")),
    ("adapt", ("round-to-square",)),
    ("evaluate", ("to-defect", "to-kind", "round-to-square", "defect-null")),
    ("report", (None,)),
)
FIT = {"learning_rate": [1e-2], "epochs": 2, "patience": 2, "batch_size": 8, "schedule": "cosine", "warmup": 0.1}
FIT |= {"dropout": 0.1, "weight_decay": 1e-4}
PRETRAIN = {"learning_rate": 1e-2, "epochs": 2, "batch_size": 8, "warmup": 0.1, "weight_decay": 1e-4}
PRETRAIN |= {"batch_norm_momentum": 0.9}
VIEWS = {**PRETRAIN, "smallest_crop": 0.5, "brightness": 0.2, "projection": 8}
RAW: dict[str, Any] = {
    "run": {
        "seed": 7,
        "image_size": SIZE,
        "folds": 2,
        "repeats": 2,
        "protocol": "grouped",
        "validation_fraction": 0.25,
        "augmentation": "mirror",
        "class_weight": "balanced",
        "device": "cpu",
        "precision": "float32",
        "kernels": "fused",
    },
    "datasets": {"toy": {"reader": "folder", "raw": "raw", "labels": ["defect", "kind"], "weights": ["sure"]}},
    "targets": {
        "defect": {"dataset": "toy", "label": "defect"},
        "kind": {"dataset": "toy", "label": "kind"},
        "square-defect": {"dataset": "toy", "label": "defect", "where": {"kind": "square"}},
    },
    "sources": {"tiny": {"architecture": "backbone.keras", "weights": "file", "sha256": None}},
    "baselines": {
        "defect-tiny": {"target": "defect", "architecture": "backbone.keras", "sha256": None},
        "defect-again": {"target": "defect", "architecture": "backbone.keras", "sha256": None, "again": 1},
        "kind-tiny": {"target": "kind", "architecture": "backbone.keras", "sha256": None},
    },
    "transfers": {
        "to-defect": {"setting": "inductive", "source": "tiny", "target": "defect"},
        "to-kind": {"setting": "inductive", "source": "tiny", "target": "kind"},
    },
    "pretrained": {
        "round-defect": {
            "pretrain": "supervised",
            "init": "tiny",
            "dataset": "toy",
            "label": "defect",
            "where": {"kind": "round"},
        }
    },
    "rescaled": {},
    "studies": {},
    "adaptations": {"round-to-square": {"source": "round-defect", "target": "square-defect"}},
    "questions": {
        "to-defect": {"target": "defect", "arm": "transfers/to-defect", "against": "baselines/defect-tiny"},
        "to-kind": {"target": "kind", "arm": "transfers/to-kind", "against": "baselines/kind-tiny"},
        "round-to-square": {
            "target": "square-defect",
            "arm": "adaptations/round-to-square",
            "against": "unadapted/round-to-square",
        },
        "defect-null": {
            "target": "defect",
            "arm": "baselines/defect-again",
            "against": "baselines/defect-tiny",
            "control": "null",
        },
    },
    "pretraining": {
        "supervised": PRETRAIN,
        "rotation": PRETRAIN,
        "simclr": {**VIEWS, "temperature": 0.5},
        "vicreg": {**VIEWS, "invariance": 25.0, "variance": 25.0, "covariance": 1.0},
    },
    "forecast": {"permutations": 20},
    "head": {**FIT, "l2": [1e-3], "schedule": "constant", "warmup": 0.0, "epochs": 12, "learning_rate": [3e-2]},
    "tune": {**FIT, "unfreeze": 1, "batch_norm": "frozen", "method": "joint", "layer_decay": 0.8, "l2_sp": 1e-3},
    "scratch": {**FIT, "batch_norm_momentum": 0.9},
    "adapt": {
        "methods": ["adabn", "coral"],
        "criterion": "information",
        "strength": [1.0],
        "bottleneck": 8,
        "learning_rate": 1e-2,
        "epochs": 2,
        "batch_size": 8,
        "weight_decay": 1e-4,
    },
    "verdict": {"metric": "balanced_accuracy", "alpha": 0.05, "margin": 0.03},
    "report": {},
}


def manifest(images: int = IMAGES, seed: int = 0) -> pd.DataFrame:
    """Two balanced labels that are independent of each other; groups of two images, each image its own cluster."""
    row = np.arange(images)
    hashes = np.random.default_rng(64).integers(0, 2**64, images, dtype=np.uint64)  # no two of them near
    return pd.DataFrame(
        {
            "row": row,
            "image_id": [f"id{index:04d}" for index in row],
            "name": [f"{index:04d}.png" for index in row],
            "phash": [f"{phash:016x}" for phash in hashes],
            "group": [f"g{index // 2}" for index in row],
            "cluster": row,
            "unit": [f"u{index // 2 * 2}" for index in row],
            "pool": "",
            "defect": np.where(row % 2, BAD, GOOD).astype(object),
            "kind": np.where(row // 2 % 2, "round", "square").astype(object),
            "sure": np.random.default_rng(seed).uniform(0.2, 1, images),
        }
    )


def pixels(table: pd.DataFrame, seed: int = 0) -> np.ndarray:
    """Grey images uint8 (n, 32, 32, 1): a defect is a bright bar, a round one is darker at the bottom."""
    rng = np.random.default_rng(seed)
    result = rng.integers(60, 120, (len(table), SIZE, SIZE, 1))
    result[(table["defect"] == BAD).to_numpy(), :, 12:18] += 100
    result[(table["kind"] == "round").to_numpy(), 20:] -= 50
    return result.astype("uint8")


def write_dataset(folder: Path, table: pd.DataFrame) -> None:
    """What `ingest` leaves, sealed."""
    with replacing_folder(folder) as temporary:
        files = DatasetPaths(temporary)
        write_npy(files.images, pixels(table))
        write_parquet(files.manifest, table)
        write_csv(files.quarantine, pd.DataFrame({"name": ["broken.png"], "reason": ["cut"]}))
        card = {"title": "Toys <b>", "licence": "CC0-1.0", "citation": "none", "group_is_proxy": None}
        write_json(files.card, card | {"near_duplicate_distance": None, "image_size": SIZE})


def write_backbone(path: Path) -> str:
    """Save a network of a stem and two blocks whose moving statistics are not the initial ones; returns its sha256."""
    import keras

    from pipeline.networks.saving import save_model

    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    image = keras.Input((SIZE, SIZE, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 64, offset=-1.5, name="rescale")(image)
    for block, filters in (("stem", 6), ("block1", 8), ("block2", 12)):
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", name=f"{block}_conv")(x)
        x = keras.layers.BatchNormalization(name=f"{block}_bn")(x)
        x = keras.layers.ReLU(name=f"{block}_relu")(x)
    model = keras.Model(image, x, name="tiny")
    rng = np.random.default_rng(2)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    save_model(model, path)
    return sha256_file(path)


def make(root: Path) -> dict[str, Any]:
    """Write a backbone, a dataset and a params.yaml below `root`; returns the params as a mapping."""
    sha256 = write_backbone(root / "backbone.keras")
    write_dataset(Paths(root).dataset("toy").folder, manifest())
    raw = copy.deepcopy(RAW)
    for section in ("sources", "baselines"):
        for entry in raw[section].values():
            entry |= {"architecture": str(root / "backbone.keras"), "sha256": sha256}
    write_params(root, raw)
    return raw


def tests_of(examples: Path) -> pd.DataFrame:
    """Which image each fold of examples.parquet tests: row, image_id, fold, label; by fold, then as in the file."""
    table = read_parquet(examples)
    folds = [name.removeprefix("role_") for name in table if name.startswith("role_")]
    parts = [table[table[f"role_{fold}"] == "test"].assign(fold=int(fold)) for fold in folds]
    return pd.concat(parts, ignore_index=True)[["row", "image_id", "fold", "label"]]


def make_without_keras(root: Path) -> None:
    """Write a dataset and a params.yaml whose architecture nobody builds."""
    write_dataset(Paths(root).dataset("toy").folder, manifest())
    raw = copy.deepcopy(RAW)
    raw["sources"] = {name: {"architecture": "MobileNetV2", "weights": "imagenet"} for name in raw["sources"]}
    for entry in raw["baselines"].values():
        entry |= {"architecture": "MobileNetV2", "sha256": None}
    write_params(root, raw)


def write_params(root: Path, raw: dict[str, Any]) -> Params:
    """Write params.yaml beside the stages of this repository, and return it typed."""
    shutil.copy(Path(__file__).parents[1] / "dvc.yaml", root)
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(raw, file)
    return check_params(raw)


def run_cell(root: Path, name: str, cell: str | None) -> None:
    """Run one cell in this process (which must not end with the one that started pytest), as DVC does: from `root`."""
    with mock.patch.object(stage, "die_with_parent"), contextlib.chdir(root):
        stage.run_stage(name, cell)


def run_cells(root: Path, *stages: str, only: str | None = None) -> None:
    """Run all cells of these stages (of every stage if none is named), or just those whose name has `only` in it."""
    for name, cells in CELLS:
        for cell in cells:
            if (not stages or name in stages) and (only is None or cell is None or only in cell):
                run_cell(root, name, cell)
