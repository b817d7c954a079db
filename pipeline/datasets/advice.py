"""Advice that works: other values of settings are tried until some pass, so that a message can name them."""

from collections.abc import Callable, Iterable
from itertools import combinations, product
from typing import Any, NamedTuple, TypeVar

import pandas as pd

from pipeline.config.schema import Run, Target
from pipeline.store.errors import InputError

Value = TypeVar("Value")
FOLDS = tuple(range(2, 21))  # all that `run.folds` may be
FRACTIONS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.33, 0.5)  # of `run.validation_fraction`
SHARES = (0.25, 0.5, 0.75, 1.0)  # of `train_fraction`
TOGETHER = 6  # values of a setting that are tried together with those of another


class Change(NamedTuple):
    """Other values of fields of the run and of a target, in words and as values."""

    words: str
    run: dict[str, Any]
    target: dict[str, Any]


def changes(run: Run, target: Target, name: str) -> list[list[Change]]:
    """The settings that decide whether a target's images suffice, each with its other values, the nearest first."""
    limit, share = target.labels_per_class, target.train_fraction
    key, beside = f"targets.{name}", ", labels_per_class: null" if limit else ""
    shares = [value for value in SHARES if value > share] if share else SHARES[::-1]
    limits = nearest_first(range(2, 2 * limit + 1), limit) if limit else []
    settings = [
        [Change(f"run.folds: {value:g}", {"folds": int(value)}, {}) for value in nearest_first(FOLDS, run.folds)],
        [
            Change(f"run.validation_fraction: {value:g}", {"validation_fraction": value}, {})
            for value in nearest_first(FRACTIONS, run.validation_fraction)
        ],
        [
            Change(
                f"{key}: {{train_fraction: {value}{beside}}}", {}, {"train_fraction": value, "labels_per_class": None}
            )
            for value in shares
        ],
        [Change(f"{key}: {{labels_per_class: {value:g}}}", {}, {"labels_per_class": int(value)}) for value in limits],
    ]
    if run.protocol == "grouped":
        settings.append(
            [Change("run.protocol: random, if images of a group are independent", {"protocol": "random"}, {})]
        )
    return [values for values in settings if values]


def advice(examples: pd.DataFrame, settings: list[list[Change]], attempt: Callable[..., object]) -> str:
    """A sentence with the changes that help: each alone, else two together, else none.

    Args:
        examples: label and group of the images, for the case that nothing helps.
        settings: from `changes`.
        attempt: called with the changed fields of the run and of the target; raises InputError where they do not help.
    """

    def try_all(together: tuple[Change, ...]) -> None:
        run = {key: value for change in together for key, value in change.run.items()}
        attempt(run, {key: value for change in together for key, value in change.target.items()})

    alone = [first_passing(((change,) for change in values), try_all) for values in settings]
    if found := [change.words for helping in alone if helping for change in helping]:
        return f"Any one of these helps: {'; '.join(found)}. So do more images of the rarest class, from other groups."
    for one, other in combinations(settings, 2):
        if helping := first_passing(product(one[:TOGETHER], other[:TOGETHER]), try_all):
            return f"These two together help: {'; '.join(change.words for change in helping)}."
    classes = examples.groupby("label").agg(images=("label", "size"), groups=("group", "nunique"))
    rarest = classes.sort_values(["groups", "images"]).iloc[0]
    return (
        f"No setting helps: class {rarest.name} has {rarest['images']} images in {rarest['groups']} groups. Add images "
        "of it from other groups, or remove the class."
    )


def nearest_first(values: Iterable[float], received: float) -> list[float]:
    """Other values than the one received, by their distance from it."""
    return sorted((value for value in values if value != received), key=lambda value: abs(value - received))


def first_passing(values: Iterable[Value], attempt: Callable[[Value], object]) -> Value | None:
    """The first value with which `attempt` raises no InputError; None where all raise it."""
    for value in values:
        try:
            attempt(value)
        except InputError:
            continue
        return value
    return None
