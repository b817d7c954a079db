"""The result type of all readers, and the checks that they share."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.datasets.readers.files import escaped
from pipeline.store.errors import InputError, InputFaults
from pipeline.store.words import nearest, shown, visible

SHOWN = 5  # examples in a message
SPLIT = "split"  # the label column that says where an image was filed, not what it shows: copies may differ in it
MOST = 12  # names of classes or columns in a message
NOT_STATED = "not stated"  # on a card
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?(e[+-]?[0-9]{1,3})?")


@dataclass(frozen=True)
class RawImage:
    """An image file, not opened yet.

    Attributes:
        path: a regular file, links resolved.
        name: relative to the raw folder, printable and unique (see `escaped`).
        labels: label column -> value.
        weights: weight column -> value in (0, 1].
        group: images of a group are never split between training and test; without groups, the image itself.
    """

    path: Path
    name: str
    labels: dict[str, str]
    weights: dict[str, float]
    group: str

    @property
    def shows(self) -> dict[str, str]:
        """The labels that two copies of one image must share."""
        return {column: label for column, label in self.labels.items() if column != SPLIT}


@dataclass(frozen=True)
class RawDataset:
    """A dataset as its reader lists it.

    Attributes:
        images: in an order that is fixed by their names or the table.
        labels, weights: names of the columns.
        card: title, licence, citation, origin, group_is_proxy (False, or the reason), skipped (number of files left
            out); of a folder also layout (a phrase) and left_out (name or kind of file -> number).
    """

    images: list[RawImage]
    labels: list[str]
    weights: list[str]
    card: dict[str, Any]


def check_columns(key: str, asked: Iterable[str], allowed: Iterable[str]) -> None:
    """Refuse columns that the dataset does not have.

    Raises:
        InputFaults: names of each the closest and the existing columns.
    """
    there = list(allowed)
    faults = [
        f"{key}: no column '{column}'{nearest(column, there)}; available: {some(there)}."
        for column in asked
        if column not in there
    ]
    if faults:
        raise InputFaults(faults)


def check_labels(column: str, values: list[str], allowed: list[str], places: list[str]) -> None:
    """Refuse labels that are blank, no single value, not in `allowed` (unless it is empty), or equal up to case.

    Args:
        places: location of each value ("row 12"), same length as values.

    Raises:
        InputFaults: of each wrong label its first place, and the closest allowed one; else the classes without images.
    """
    first: dict[str, str] = {}
    for value, place in zip(values, places, strict=True):
        first.setdefault(value, place)
    faults = [fault for value, place in first.items() if (fault := _label_fault(column, value, allowed, place))]
    if faults:
        raise InputFaults(faults)
    check_twins(f"column '{column}'", list(first))
    absent = [value for value in allowed if value not in first]
    if absent:
        counts = Counter(values)
        there = some(f"{value}: {counts[value]}" for value in allowed)
        raise InputError(f"Column '{column}' has no image of class {some(absent)} ({there}). Add some, or drop it.")


def _label_fault(column: str, value: str, allowed: list[str], place: str) -> str | None:
    if not value.strip() or value.strip().casefold() == "nan":
        return f"{place}: column '{column}' has no label ({value!r}). Write one, or remove the image."
    if allowed and value not in allowed:
        return (
            f"{place}: column '{column}' has {shown(value)}{nearest(value, allowed)}; allowed: {some(allowed)}. "
            "Correct it, or add it to the dataset's `classes`."
        )
    return None


def check_twins(where: str, names: list[str]) -> None:
    """Refuse names that differ only in case, blanks, dashes, Unicode form, zeros or what is not seen.

    Raises:
        InputFaults: names both of each pair.
    """
    seen: dict[object, str] = {}
    faults = []
    for name in sorted(names):
        key = sameness(name)
        if key in seen:
            faults.append(f"{where}: {seen[key]!r} and {name!r} look like one class. Give them one name.")
        elif name != name.strip():
            faults.append(f"{where}: {name!r} has surrounding blanks. Write {name.strip()!r}.")
        seen.setdefault(key, name)
    if faults:
        raise InputFaults(faults)


def some(words: Iterable[str]) -> str:
    """The first words of a list, and how many more there are; of none, "none"."""
    listed = [visible(word) for word in words]
    more = len(listed) - MOST
    return (", ".join(listed[:MOST]) or "none") + (f" and {more:,} more" if more > 0 else "")


def sameness(name: str) -> object:
    """Equal for names that one person writes for one class: `Cat`, `cat `; `1`, `1.0`, `01`, `1e0`.

    The dash, the kind and number of blanks, and letters of full width do not matter either.
    """
    seen = "".join(character for character in name if unicodedata.category(character) != "Cf")  # no zero-width space
    plain = "".join("-" if unicodedata.category(one) == "Pd" else one for one in unicodedata.normalize("NFKC", seen))
    folded = unicodedata.normalize("NFC", " ".join(plain.split()).casefold())
    return Decimal(folded) if NUMBER.fullmatch(folded) else folded


def plain_card(title: str, raw: str, left_out: Mapping[str, int]) -> dict[str, object]:
    """Card of a user's dataset, whose licence and citation are unknown."""
    return {
        "title": title,
        "licence": NOT_STATED,
        "citation": "none",
        "origin": escaped(raw),
        "group_is_proxy": False,
        "skipped": sum(left_out.values()),
        "left_out": dict(sorted(left_out.items())),
    }
