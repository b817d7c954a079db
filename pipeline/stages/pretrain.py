"""pretrain: train a backbone further on a dataset, supervised or self-supervised, to make a source of it."""

import hashlib
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
import pandas as pd

from pipeline.config.params import Params
from pipeline.config.schema import Pretrained
from pipeline.datasets.learnable import learnable
from pipeline.networks.flops import forward_and_backward
from pipeline.networks.heads import set_precision
from pipeline.networks.keras_files import at_size
from pipeline.networks.saving import load_model, save_model
from pipeline.pretraining.representation import Representation, check_not_collapsed, represent
from pipeline.pretraining.task import PretrainResult, Task
from pipeline.registry.pretraining import PRETRAINING
from pipeline.store.files import (
    read_json,
    read_npy,
    read_parquet,
    replacing_folder,
    sha256_file,
    write_csv,
    write_json,
    write_parquet,
)
from pipeline.store.outs import DatasetPaths, SourcePaths
from pipeline.store.paths import Paths
from pipeline.store.places import load
from pipeline.store.seeds import seed_for
from pipeline.training.on_device import images_loader
from pipeline.training.pooled import pooled_features, pooling

SEEN = ["dataset", "image_id", "unit", "phash"]
ORIGIN = "{} pretraining on {}, from {}"
LICENCE, NOT_STATED = "weights it began with: {}; images: {}", "not stated"


def seen_so_far(examples: pd.DataFrame, dataset: str, init: SourcePaths) -> pd.DataFrame:
    """The images that this source and its inits were trained on: dataset, image_id, unit, phash; one row an image."""
    inherited = [read_parquet(init.seen)[SEEN]] if init.seen.is_file() else []
    both = pd.concat([examples.assign(dataset=dataset)[SEEN], *inherited])
    return both.drop_duplicates(["dataset", "image_id"]).sort_values(["dataset", "image_id"], ignore_index=True)


def load_init(init: SourcePaths, dataset: DatasetPaths, precision: str, seed: int) -> keras.Model:
    """The initial backbone, in the run's precision, for images of the dataset's size.

    Raises:
        InputError: the backbone cannot take images of this size.
    """
    keras.config.set_dtype_policy(precision)
    keras.utils.clear_session()  # so that layer names do not depend on what the process built before
    keras.utils.set_random_seed(seed)
    backbone = at_size(load_model(init.backbone), read_npy(dataset.images).shape[1], init.backbone)
    keras.utils.set_random_seed(seed)  # loading drew initial weights before it replaced them
    set_precision(backbone)
    return backbone


def describe(
    entry: Pretrained, init: dict[str, Any], dataset: dict[str, Any], seen: pd.DataFrame, images: int
) -> dict[str, Any]:
    """The part of the source's card that is known before training, from the cards of its init and its dataset."""
    learnt = [f"{init['dataset']}.{init['labels_used']}"] if init.get("labels_used") else []
    return {
        "architecture": init["architecture"],
        "architecture_sha256": init["architecture_sha256"],
        "weights": "pretrained",
        "pretrain": entry.pretrain,
        "init": entry.init,
        "dataset": entry.dataset,
        "labels_used": entry.label,
        "labels_inherited": [*init.get("labels_inherited", []), *learnt],  # by inits that were pretrained here
        "permuted": entry.permute_labels,
        "images": images,
        "seen_sha256": hashlib.sha256("\n".join(sorted(seen["image_id"])).encode()).hexdigest(),
        "parameters": init["parameters"],
        "image_size": dataset["image_size"],
        "origin": ORIGIN.format(entry.pretrain, entry.dataset, init["origin"]),
        "licence": LICENCE.format(init["licence"], dataset.get("licence") or NOT_STATED),
        "sha256": None,
        "preprocessing": init["preprocessing"],
        "citation": PRETRAINING[entry.pretrain].citation,
    }


def outcome(learnt: PretrainResult, found: Representation, inherited: dict[str, Any]) -> dict[str, Any]:
    """The part of the card that training adds; `inherited` is the cost on the card of the init.

    `inherited_gflops` is the known cost of all inits before; `reason` says why the cost of the first is unknown.
    """
    return {
        "representation": asdict(found),
        "pretext": learnt.pretext,
        "cost": {
            "images_seen": learnt.images_seen,
            **forward_and_backward(learnt.gflops, learnt.backward_gflops),
            "inherited_gflops": (inherited["gflops"] or 0.0) + inherited["inherited_gflops"],
            "reason": inherited["reason"],
        },
    }


def summary(card: dict[str, Any]) -> str:
    """The line of the log."""
    solved = f"pretext accuracy {card['pretext']['accuracy']:.3f}, " if card["pretext"] else ""
    return (
        f"{card['pretrain']} on {card['images']:,} images from '{card['init']}', {solved}"
        f"rank {card['representation']['rank']:.1f}, {card['cost']['gflops']:,.0f} GFLOPs"
    )


def run(params: Params, paths: Paths, name: str) -> str:
    """Read the init and the images, pretrain, refuse collapsed features, write the source."""
    run, entry = params.run, params.pretrained[name]
    init, dataset = paths.source(entry.init), paths.dataset(entry.dataset)
    method, seed = PRETRAINING[entry.pretrain], seed_for(run.seed, "pretrain", name)
    fraction = run.validation_fraction if method.validates else None
    examples = learnable(read_parquet(dataset.manifest), entry, fraction, seed)
    backbone, rows = load_init(init, dataset, run.precision, seed), examples["row"].to_numpy()
    task = Task(
        name=name,
        backbone=backbone,
        images=dataset.images,
        rows=rows,
        role=examples["role"].to_numpy(),
        labels=examples["label"].to_numpy() if entry.label is not None else None,
        augmentation=run.augmentation,
        kernels=run.kernels,
        settings=getattr(params.pretraining, entry.pretrain),
        seed=seed,
    )
    learnt = load(method.learn)(task)
    pixels = images_loader(dataset.images, rows, "none")
    found = represent(pooled_features(pooling(backbone), pixels, np.arange(len(rows))))
    check_not_collapsed(found, method.least_rank, name)
    seen, begun, ingested = seen_so_far(examples, entry.dataset, init), read_json(init.card), read_json(dataset.card)
    card = describe(entry, begun, ingested, seen, len(examples)) | outcome(learnt, found, begun["cost"])
    origin = {"dataset": entry.dataset, "sha256": sha256_file(dataset.images)}
    with replacing_folder(paths.source(name).folder) as folder:
        written = SourcePaths(folder)
        save_model(backbone, written.backbone)
        if learnt.head is not None:
            save_model(learnt.head, written.head)
        write_parquet(written.examples, examples)
        write_parquet(written.seen, seen)
        write_csv(written.history, pd.DataFrame(learnt.history))
        write_json(written.card, card)
        write_json(written.images, origin)
    return summary(card)
