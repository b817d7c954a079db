"""One fold of a linear probe on five made-up features: its inputs and its spec."""

import numpy as np
import pandas as pd
import tiny_world

from pipeline.arms.networks import HeadNetwork
from pipeline.arms.spec import FoldSpec, Setting
from pipeline.store.files import write_npy, write_parquet
from pipeline.training.fit import Plan

PLAN = Plan(
    learning_rate=0.0, epochs=4, patience=4, batch_size=8, schedule="constant", warmup=0.0, weight_decay=0.0, seed=3
)
SETTINGS = (Setting(1e-4, 0.0), Setting(5e-2, 0.0), Setting(5e-2, 10.0))


def examples():
    table = tiny_world.manifest()
    role = np.array(["train", "train", "validation", "test"])[np.arange(len(table)) // 2 % 4]
    return pd.DataFrame(
        {"row": table["row"], "image_id": table["image_id"], "group": table["group"], "label": table["defect"]}
    ).assign(weight=table["sure"], fold=0, role_0=role)


def features(table):
    signal = (table["label"] == tiny_world.BAD).to_numpy()
    return (np.random.default_rng(0).normal(size=(len(table), 5)) + signal[:, None]).astype("float32")


def write_inputs(folder, table, inputs):
    folder.mkdir(exist_ok=True)
    write_parquet(folder / "examples.parquet", table)
    write_npy(folder / "inputs.npy", inputs)
    return folder


def head_spec(folder, **changes):
    fields = {
        "arm": "head",
        "fold": 0,
        "examples": folder / "examples.parquet",
        "kind": "features",
        "inputs": folder / "inputs.npy",
        "network": HeadNetwork(5, 2),
        "settings": SETTINGS,
        "plan": PLAN,
        "dropout": 0.2,
        "augmentation": "none",
        "class_weight": "balanced",
        "precision": "float32",
        "kernels": "fused",
    }
    return FoldSpec(**fields | changes)
