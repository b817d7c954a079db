"""The settings that `init` suggests for a user's images, tried by the very splits of the run."""

import itertools
import math
from dataclasses import dataclass
from statistics import median
from typing import Any

import pandas as pd

from pipeline.commands.survey import MOST_UNUSABLE, Survey
from pipeline.config.params import Params
from pipeline.config.schema import Dataset, Pretrained, Question, Target
from pipeline.datasets.learnable import learnable
from pipeline.stages.split import split
from pipeline.store.errors import InputError
from pipeline.store.roles import fold_count, role_column
from pipeline.store.seeds import seed_for

SMALLEST_SIDE = 32  # that params allow, pixels
MANY = 5000  # images: from here on three repeats show as much as five do on fewer
FEW_REPEATS = 3
TRIED = 20_000  # images: of more one repeat is tried, since dividing them takes minutes
FEWEST = 4  # independent images of a class: one to train on and one to validate on, in each of two folds
FRACTIONS = (0.25, 0.35, 0.5)  # for validation, where rare classes need more than params have
POOLS = {"source": 0.3, "target": 0.7}
CONTROLLED = (600, 60)  # images, and images of the smallest class, from which on a planted negative can be told
Roles = pd.DataFrame  # a row a fold: images to train on, to validate on and to test: columns train, validation, test


@dataclass(frozen=True)
class Suggestion:
    """What to write, beside the names.

    Attributes:
        dataset: the entry.
        run: settings of the section run that change.
        roles: target -> images by role in every fold; a second target where there are pools.
        learnt: images of the pool `source` to train on; 0 without pools.
        classes: number of classes.
        notes: what the user should know about a suggestion.
    """

    dataset: Dataset
    run: dict[str, Any]
    roles: dict[str, Roles]
    learnt: int
    classes: int
    notes: list[str]

    @property
    def pooled(self) -> bool:
        return bool(self.dataset.pools)


def suggest(found: Survey, dataset: Dataset, name: str, params: Params, augmentation: str) -> Suggestion:
    """Choose settings with which the run's own splits succeed.

    Args:
        name: of the dataset and its target.
        params: the present ones.

    Raises:
        InputError: no setting can divide the images; says which classes are too rare.
    """
    notes: list[str] = []
    entry = dataset.model_copy(update=_entry(found, notes))
    run = params.run.model_copy(update=_settings(found, params) | {"augmentation": augmentation})
    params = params.model_copy(update={"run": run})
    try:
        params, roles = _first_that_splits(found, entry, name, params)
    except InputError:
        if entry.near_duplicate_distance is None:
            raise
        entry = entry.model_copy(update={"near_duplicate_distance": None})
        params, roles = _first_that_splits(found, entry, name, params)
        notes.append("near_duplicate_distance: null, since look-alikes would join most of the images to one group")
    all_roles, learnt = {name: roles}, 0
    with_pools = _pools(found, entry, name, params)
    if isinstance(with_pools, str):
        notes.append(with_pools)
    else:
        pooled_roles, learnt = with_pools
        entry = entry.model_copy(update={"pools": POOLS})
        all_roles[f"{name}-pool"] = pooled_roles
    changed = {key: getattr(params.run, key) for key in ("image_size", "folds", "repeats", "validation_fraction")}
    return Suggestion(entry, {**changed, "augmentation": augmentation}, all_roles, learnt, len(found.classes), notes)


def _entry(found: Survey, notes: list[str]) -> dict[str, Any]:
    """Keys of the dataset that its images ask for."""
    keys: dict[str, Any] = {}
    if found.conflicts > Dataset.model_fields["conflict_cap"].default:
        keys["near_duplicate_distance"] = None
        notes.append(
            "near_duplicate_distance: null, since images of different classes look alike at 32 pixels; copies that "
            "were resized or compressed again are not found"
        )
    least = Dataset.model_fields["min_side"].default
    if found.sides[0] < least:
        keys["min_side"] = found.sides[0]
    share = found.unusable_share
    if share > Dataset.model_fields["quarantine_cap"].default / 2:
        cap = min(MOST_UNUSABLE, math.ceil(100 * (1.5 * share + 0.005)) / 100)
        keys["quarantine_cap"] = cap
        notes.append(f"quarantine_cap: {cap:g}, since files cannot be used; better repair or remove them")
    return keys


def _settings(found: Survey, params: Params) -> dict[str, Any]:
    size = max(SMALLEST_SIDE, min(params.run.image_size, int(median(found.sides))))
    many = len(found.images) >= MANY
    return {"image_size": size, "repeats": min(params.run.repeats, FEW_REPEATS) if many else params.run.repeats}


def _first_that_splits(found: Survey, entry: Dataset, name: str, params: Params) -> tuple[Params, Roles]:
    """The first of several folds and shares for validation that divide the images.

    Raises:
        InputError: none does.
    """
    table, faults = found.manifest(entry.near_duplicate_distance, {}, 0), []
    if _units(found, table).min() < FEWEST:  # each try takes seconds where classes are many
        raise InputError(_too_rare(found, table, ""))
    own = params.run
    tries = itertools.product(sorted({own.folds, 2}, reverse=True), (own.validation_fraction, *FRACTIONS))
    for folds, fraction in tries:
        run = own.model_copy(update={"folds": folds, "validation_fraction": fraction})
        tried = params.model_copy(update={"run": run})
        try:
            return tried, roles_of(table, Target(dataset=name, label=found.label), name, tried)
        except InputError as error:
            faults.append(str(error))
    raise InputError(_too_rare(found, table, faults[-1]))


def roles_of(table: pd.DataFrame, target: Target, name: str, params: Params) -> Roles:
    """Split a target as the run will; returns its images by role in every fold.

    Raises:
        InputError: from the split.
    """
    repeats = params.run.repeats if len(table) <= TRIED else 1
    asked = Question(target=name, arm="baselines/any", against="baselines/any", repeats=repeats)
    examples = split(table, target, params.model_copy(update={"questions": {"any": asked}}), name)
    return pd.concat([counts_of(examples)] * (params.run.repeats // repeats), ignore_index=True)


def counts_of(examples: pd.DataFrame) -> Roles:
    """The images by role in every fold of a split."""
    counts = [examples[role_column(fold)].value_counts() for fold in range(fold_count(examples))]
    return pd.DataFrame(counts).reindex(columns=["train", "validation", "test"])


def _units(found: Survey, table: pd.DataFrame) -> pd.Series:
    """The number of independent images, or groups of them, of every class."""
    return table.groupby(found.label)["unit"].nunique()


def _too_rare(found: Survey, table: pd.DataFrame, fault: str) -> str:
    """Why no split succeeds: classes in fewer than four groups, or the last fault."""
    units = _units(found, table).sort_values().to_dict()
    rare = {name: count for name, count in units.items() if count < FEWEST}
    if not rare:
        return f"These images cannot be divided into 2 folds: {fault}"
    listed = ", ".join(f"{name} ({count})" for name, count in list(rare.items())[:5])
    things = "images" if found.groups is None else "groups"
    return (
        f"{len(rare)} of {len(units)} classes have fewer than {FEWEST} {things}, so that not every part of 2 folds has "
        f"each class: {listed}. Add images, merge the class with another, or move it away."
    )


def _pools(found: Survey, entry: Dataset, name: str, params: Params) -> tuple[Roles, int] | str:
    """Roles of the target on a pool, and the images that a source learns from; or why there is no planted negative."""
    smallest = min(found.classes.values())
    if len(found.images) < CONTROLLED[0] or smallest < CONTROLLED[1]:
        return (
            f"no planted negative: it takes about {CONTROLLED[0]} images and {CONTROLLED[1]} of each class to tell a "
            f"useless source by its sign; here are {len(found.images):,} and {smallest:,}"
        )
    seed = params.run.seed
    try:
        table = found.manifest(entry.near_duplicate_distance, POOLS, seed_for(seed, "pools", name))
        target = Target(dataset=name, label=found.label, pool="target")
        source = Pretrained(
            pretrain="supervised",
            init="random",
            dataset=name,
            label=found.label,
            pool="source",
            permute_labels=True,
        )
        roles = roles_of(table, target, f"{name}-pool", params)
        learnt = learnable(
            table, source, params.run.validation_fraction, seed_for(seed, "pretrain", f"{name}-shuffled")
        )
    except InputError as error:
        return f"no planted negative: the groups do not divide into two pools ({error})"
    return roles, int((learnt["role"] == "train").sum())
