"""split: select a target's images and divide them into grouped, stratified folds, anew in each repeat."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config.params import Params
from pipeline.config.schema import Target
from pipeline.datasets.advice import advice, changes
from pipeline.datasets.grouping import assign_folds
from pipeline.datasets.images import resized
from pipeline.datasets.selection import select
from pipeline.store.errors import InputError
from pipeline.store.files import (
    check_space,
    read_npy,
    read_parquet,
    release,
    replacing_folder,
    sha256_file,
    write_json,
    write_parquet,
)
from pipeline.store.outs import SplitPaths
from pipeline.store.paths import Paths
from pipeline.store.progress import progress
from pipeline.store.roles import repeat_count, role_column
from pipeline.store.seeds import seed_for
from pipeline.store.words import listed

RELEASED = 64  # images resized before their memory is given back


def examples_of(manifest: pd.DataFrame, target: Target, name: str) -> pd.DataFrame:
    """The target's images: row, image_id, phash, group (str, the unit), label (str), weight (float64), cluster (int).

    Raises:
        InputError: `where` and `pool` select nothing, or a weight is outside (0, 1].
    """
    table = select(manifest, target.where, target.pool, f"target '{name}'")
    weight = table[target.weight] if target.weight else pd.Series(1.0, index=table.index)
    outside = ~weight.between(0, 1, inclusive="right")
    if outside.any():
        where = table["image_id"][outside].iloc[0]
        raise InputError(
            f"Weights of column '{target.weight}' must lie in (0, 1]; {outside.sum()} do not, first that of "
            f"image {where}: {weight[outside].iloc[0]}. Correct the table that the dataset is read from."
        )
    kept = table[["row", "image_id", "phash"]]
    # group: the unit of the statistics under every protocol, also where folds divide it, since its images are alike
    return kept.assign(group=table["unit"], label=table[target.label], weight=weight, cluster=table["cluster"])


def limited(
    labels: np.ndarray, training: np.ndarray, per_class: int | None, seed: int, fraction: float | None = None
) -> np.ndarray:
    """Choose at most `per_class` training images of every class, or the share `fraction` of every class.

    Choices are nested: a larger limit keeps the images of a smaller one. A share keeps at least two images of a class,
    one to train on and one to validate on.

    Args:
        labels: (n,) of all examples. training: positions (m,) of those that may be chosen.

    Returns:
        Positions, sorted.
    """
    if per_class is None and fraction is None:
        return training
    shuffled = np.random.default_rng(seed).permutation(training)
    parts = []
    for name in np.unique(labels):
        of_class = shuffled[labels[shuffled] == name]
        parts.append(of_class[: per_class if fraction is None else max(2, round(fraction * len(of_class)))])
    return np.sort(np.concatenate(parts))


def seed_name(target: Target, name: str) -> str:
    """The name that seeds a target's random choices: its own or, with `train_fraction`, its selection of images.

    So targets that differ in their share of the labels alone have the same folds and nested training images.
    """
    if target.train_fraction is None:
        return name
    return json.dumps(target.model_dump(include={"dataset", "label", "where", "pool"}), sort_keys=True)


def roles(
    labels: np.ndarray,
    unit: np.ndarray,
    tested: np.ndarray,
    fold: int,
    validation_fraction: float,
    target: Target,
    seed: int,
) -> np.ndarray:
    """The role of every example (n,) in one fold: train, validation, test or unused.

    Validation is a part of the labelled training images: the first of several such that it and the rest have every
    class.

    Args:
        labels, unit: (n,) str. tested: (n,) bool. fold: its number, for messages.

    Raises:
        InputError: a part lacks a class.
    """
    result = np.where(tested, "test", "unused").astype(object)
    available, per_class = np.flatnonzero(result == "unused"), target.labels_per_class
    training = limited(labels, available, per_class, seed_for(seed, "labels"), target.train_fraction)
    result[training] = "train"
    _refuse_absent_class(labels, result, fold)
    few = per_class or (len(labels) if target.train_fraction is None else min(Counter(labels[training]).values()))
    count = max(2, min(round(1 / validation_fraction), few))
    try:
        parts = assign_folds(labels[training], unit[training], count, seed)
    except InputError as error:
        raise InputError(
            f"Fold {fold} cannot give {validation_fraction:g} of its training images to validation: {error}"
        ) from None
    classes = len(np.unique(labels[training]))
    complete = [part for part in range(count) if _classes(labels[training], parts == part) == (classes, classes)]
    result[training[parts == (complete or [0])[0]]] = "validation"
    _refuse_absent_class(labels, result, fold)
    return result


def _classes(labels: np.ndarray, chosen: np.ndarray) -> tuple[int, int]:
    """The number of classes among the chosen and among the others."""
    return len(np.unique(labels[chosen])), len(np.unique(labels[~chosen]))


def _refuse_absent_class(labels: np.ndarray, roles: np.ndarray, fold: int) -> None:
    for role in np.unique(roles[roles != "unused"]):
        absent = sorted(set(labels) - set(labels[roles == role]))
        if absent:
            where = f"Fold {fold} has no image of class {listed(absent)} in its {role} part"
            raise InputError(f"{where}: the class is in too few groups.")


def split(manifest: pd.DataFrame, target: Target, params: Params, name: str) -> pd.DataFrame:
    """The table of a target's examples, in the manifest's order.

    Raises:
        InputError: nothing is selected, or a part of a fold would lack a class; with the settings that would do.
    """
    examples = examples_of(manifest, target, name)
    try:
        return divided(examples, target, params, name)
    except InputError as error:
        fault = str(error)

    def attempt(run: dict[str, Any], fields: dict[str, Any]) -> None:
        other = params.model_copy(update={"run": params.run.model_copy(update=run)})
        divided(examples, target.model_copy(update=fields), other, name)

    remedy = advice(examples, changes(params.run, target, name), attempt)
    raise InputError(f"Target '{name}': {fault}\n{remedy}")


def divided(examples: pd.DataFrame, target: Target, params: Params, name: str) -> pd.DataFrame:
    """Examples with their role in every fold.

    Raises:
        InputError: a part of a fold would lack a class.
    """
    run = params.run
    unit = examples["group" if run.protocol == "grouped" else "cluster"].to_numpy()
    seeded, labels = seed_name(target, name), examples["label"].to_numpy()
    columns = {}
    for repeat in range(max(repeats_of(params, name).values(), default=1)):
        seed = seed_for(run.seed, "split", seeded, *([repeat] if repeat else []))
        assigned = assign_folds(labels, unit, run.folds, seed)
        for part in range(run.folds):
            fold = repeat * run.folds + part
            seed = seed_for(run.seed, "validation", seeded, fold)
            fraction = run.validation_fraction
            columns[role_column(fold)] = roles(labels, unit, assigned == part, fold, fraction, target, seed)
    return examples.drop(columns="cluster").assign(**columns)


def repeats_of(params: Params, target: str) -> dict[str, int]:
    """The repeats that every arm on a target is trained for: the most that a question about the arm asks for."""
    most: dict[str, int] = {}
    for question in params.questions.values():
        if question.target == target:
            for arm in (question.arm, question.against):
                trained = arm.replace("unadapted/", "adaptations/")  # one stage writes both
                most[trained] = max(most.get(trained, 1), question.repeats or params.run.repeats)
    return dict(sorted(most.items()))


def write_resized(images: np.ndarray, size: int, path: Path, label: str) -> None:
    """Write images uint8 (n, s, s, c) at another size, (n, size, size, c)."""
    shape = (len(images), size, size, images.shape[-1])
    check_space(path.parent, 2 * math.prod(shape))  # here and in DVC's cache
    written = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    for row, image in enumerate(progress(images, total=len(images), label=f"resize {label}", unit="image")):
        written[row] = resized(image, size)
        if row % RELEASED == 0:
            release(images, written)
    written.flush()


def run(params: Params, paths: Paths, name: str) -> str:
    """Read the manifest, write the target's examples, the repeats of its arms, and its images or their sha256."""
    target = params.targets[name]
    dataset = paths.dataset(target.dataset)
    examples = split(read_parquet(dataset.manifest), target, params, name)
    images = read_npy(dataset.images)
    size = target.image_size or images.shape[1]
    origin = {"dataset": target.dataset, "sha256": sha256_file(dataset.images)}
    with replacing_folder(paths.target(name).folder) as folder:
        written = SplitPaths(folder)
        write_parquet(written.examples, examples)
        write_json(written.repeats, repeats_of(params, name))
        write_json(written.images, origin)
        if size != images.shape[1]:
            write_resized(images, size, written.resized, name)
    counts = ", ".join(f"{label} {count}" for label, count in examples["label"].value_counts().sort_index().items())
    limit = f", {target.labels_per_class} labels a class" if target.labels_per_class else ""
    limit += f", {target.train_fraction:.0%} of the labels" if target.train_fraction else ""
    limit += f", {size} pixels" if target.image_size else ""
    repeats = f" in {count} repeats" if (count := repeat_count(examples)) > 1 else ""
    return f"{len(examples):,} images ({counts}), {params.run.folds} {params.run.protocol} folds{repeats}{limit}"
