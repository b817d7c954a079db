"""The result type of all readers, and the checks that they share."""

import os
import stat
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.store.errors import InputError
from pipeline.store.words import nearest

SHOWN = 5  # examples in a message


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


@dataclass(frozen=True)
class RawDataset:
    """A dataset as its reader lists it.

    Attributes:
        images: in an order that is fixed by their names or the table.
        labels, weights: names of the columns.
        card: title, licence, citation, origin, group_is_proxy (False, or the reason), skipped (files left aside).
    """

    images: list[RawImage]
    labels: list[str]
    weights: list[str]
    card: dict[str, Any]


def escaped(path: str | os.PathLike[str]) -> str:
    r"""Escape a file name to printable characters, reversibly: a newline is \n, a byte that is not UTF-8 is \udcff."""
    text = os.fspath(path)
    with suppress(UnicodeEncodeError):  # not a file name in this locale
        text = os.fsencode(text).decode("utf-8", "surrogateescape")  # the same in every locale
    return "".join(c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode("ascii") for c in text)


def raw_folder(path: Path, key: str, content: str) -> Path:
    """The resolved raw folder.

    Raises:
        InputError: it is missing or not a folder; `content` describes what it should hold.
    """
    if not path.is_dir():
        received = "a file" if path.exists() else "nothing"
        raise InputError(
            f"{key}: {received} at {escaped(path)}. Put there {content}, or change `{key}` in params.yaml."
        )
    return path.resolve()


def inside(root: Path, name: str, where: str) -> Path:
    """Resolve `name` below `root` (resolved) to a regular file.

    Raises:
        InputError: it is outside `root` (absolute, `..`, or a link), missing, a broken or circular link, or not a file.
    """
    shown = f"{where}: '{escaped(name)}'"
    try:
        path = (root / name).resolve(strict=True)
        mode = path.stat().st_mode
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop, on Python before 3.13
        is_link = (root / name.replace("\0", "")).is_symlink()
        received = "a broken or circular link" if is_link else "no such file"
        raise InputError(
            f"{shown} is {received} below {escaped(root)}. Put the file there or remove its entry."
        ) from error
    if not path.is_relative_to(root):
        raise InputError(
            f"{shown} is outside {escaped(root)}. Copy the file into the folder; links to the outside are not followed."
        )
    if not stat.S_ISREG(mode):
        raise InputError(f"{shown} is {_kind(mode)}, not a regular file. Remove it.")
    return path


def check_columns(key: str, asked: Iterable[str], allowed: Iterable[str]) -> None:
    """Refuse columns that the dataset does not have.

    Raises:
        InputError: names the closest and all existing columns.
    """
    there = list(allowed)
    for column in asked:
        if column not in there:
            raise InputError(
                f"{key}: no column '{column}'{nearest(column, there)}; available: {', '.join(there) or 'none'}."
            )


def check_labels(column: str, values: list[str], allowed: list[str], places: list[str]) -> None:
    """Refuse labels that are blank, not in `allowed` (unless it is empty), or equal up to case and blanks.

    Args:
        places: location of each value ("row 12"), same length as values.

    Raises:
        InputError: names the first place, the received and the closest allowed label.
    """
    first: dict[str, str] = {}
    for value, place in zip(values, places, strict=True):
        first.setdefault(value, place)
    for value, place in first.items():
        if not value.strip() or value.strip().casefold() == "nan":
            raise InputError(f"{place}: column '{column}' has no label ({value!r}). Write one, or remove the image.")
        if allowed and value not in allowed:
            raise InputError(
                f"{place}: column '{column}' has {value!r}{nearest(value, allowed)}; allowed: {', '.join(allowed)}. "
                "Correct it, or add it to the dataset's `classes`."
            )
    check_twins(f"column '{column}'", list(first))
    absent = [value for value in allowed if value not in first]
    if absent:
        counts = ", ".join(f"{value}: {values.count(value)}" for value in allowed)
        raise InputError(
            f"Column '{column}' has no image of class {', '.join(absent)} ({counts}). Add some, or drop it."
        )


def check_twins(where: str, names: list[str]) -> None:
    """Refuse names that differ only in case, surrounding blanks, or Unicode form: probably one class.

    Raises:
        InputError: names both.
    """
    seen: dict[str, str] = {}
    for name in sorted(names):
        key = unicodedata.normalize("NFC", name).strip().casefold()
        if key in seen:
            raise InputError(f"{where}: {seen[key]!r} and {name!r} look like one class. Give them one name.")
        if name != name.strip():
            raise InputError(f"{where}: {name!r} has surrounding blanks. Write {name.strip()!r}.")
        seen[key] = name


def plain_card(title: str, raw: str, skipped: int) -> dict[str, object]:
    """Card of a user's dataset, whose licence and citation are unknown."""
    return {
        "title": title,
        "licence": "not stated",
        "citation": "none",
        "origin": escaped(raw),
        "group_is_proxy": False,
        "skipped": skipped,
    }


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
    return next((name for test, name in kinds if test(mode)), "a device")
