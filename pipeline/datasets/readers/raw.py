"""What every reader returns, and the checks that they share."""

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
    """One image file that has not been opened yet.

    Attributes:
        path: a regular file, links resolved.
        name: its name inside the raw folder, printable and unique (see `escaped`).
        labels: label column -> value.
        weights: weight column -> value in (0, 1].
        group: images of one group are never divided between training and test; an image without one is its own.
    """

    path: Path
    name: str
    labels: dict[str, str]
    weights: dict[str, float]
    group: str


@dataclass(frozen=True)
class RawDataset:
    """What a reader found.

    Attributes:
        images: in an order that depends on nothing but names or the table.
        labels, weights: names of the columns.
        card: title, licence, citation, origin, group_is_proxy (False, or the reason), skipped (files left aside).
    """

    images: list[RawImage]
    labels: list[str]
    weights: list[str]
    card: dict[str, Any]


def escaped(path: str | os.PathLike[str]) -> str:
    r"""Write a file name in printable characters, one to one: newline is \n, a byte that is no UTF-8 is \udcff."""
    text = os.fspath(path)
    with suppress(UnicodeEncodeError):  # text that is no file's name in this locale
        text = os.fsencode(text).decode("utf-8", "surrogateescape")  # the same in every locale
    return "".join(
        character if character.isprintable() and character != "\\" else _escape(character) for character in text
    )


def raw_folder(path: Path, key: str, content: str) -> Path:
    """The resolved raw folder.

    Raises:
        InputError: it is absent or no folder; `content` says what belongs there.
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
        InputError: it leads out of `root` (absolute, `..`, or by a link), dangles, is a loop, folder, FIFO or device.
    """
    shown = f"{where}: '{escaped(name)}'"
    try:
        path = (root / name).resolve(strict=True)
        mode = path.stat().st_mode
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop, on Python before 3.13
        link = (
            "a link that leads nowhere or to itself" if (root / name.replace("\0", "")).is_symlink() else "no such file"
        )
        raise InputError(f"{shown} is {link} below {escaped(root)}. Put the file there or remove its entry.") from error
    if not path.is_relative_to(root):
        raise InputError(
            f"{shown} leads out of {escaped(root)}. Copy the file into the folder; links out are not followed."
        )
    if not stat.S_ISREG(mode):
        raise InputError(f"{shown} is {_kind(mode)}, not a regular file. Remove it.")
    return path


def check_columns(key: str, asked: Iterable[str], allowed: Iterable[str]) -> None:
    """Refuse columns that the dataset does not have.

    Raises:
        InputError: naming the nearest and all that there are.
    """
    there = list(allowed)
    for column in asked:
        if column not in there:
            raise InputError(
                f"{key}: no column '{column}'{nearest(column, there)}; there is {', '.join(there) or 'none'}."
            )


def check_labels(column: str, values: list[str], allowed: list[str], places: list[str]) -> None:
    """Refuse labels that are blank, outside `allowed` (where it is not empty), or twins up to case and blanks.

    Args:
        places: where each value stands ("row 12"), same length as values.

    Raises:
        InputError: naming the first place, what was received, and the nearest allowed label.
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
    """Refuse names that differ only in case, blanks around, or Unicode form: they mean one class.

    Raises:
        InputError: naming both.
    """
    seen: dict[str, str] = {}
    for name in sorted(names):
        key = unicodedata.normalize("NFC", name).strip().casefold()
        if key in seen:
            raise InputError(f"{where}: {seen[key]!r} and {name!r} look like one class. Give them one name.")
        if name != name.strip():
            raise InputError(f"{where}: {name!r} has blanks around it. Write {name.strip()!r}.")
        seen[key] = name


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
    return next((name for test, name in kinds if test(mode)), "a device")
