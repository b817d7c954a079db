"""Guess which columns of a user's table hold the paths and the labels; the reader reads and checks them later."""

from collections.abc import Container
from pathlib import Path

import pandas as pd

from pipeline.datasets.readers.columns import read_cells
from pipeline.store.errors import InputError
from pipeline.store.words import nearest

ROWS = 2000  # that are looked at
LABELS = ("label", "labels", "class", "category", "target", "y", "diagnosis", "species")
MOST_CLASSES = 200
MOST_NAMED = 3  # columns that may be groups


def guess_columns(table: Path, label: str | None, path_column: str | None) -> tuple[str, str]:
    """The columns of labels and of paths: those that are named, else those that look like it.

    Raises:
        InputError: the table cannot be read, a named column does not exist, or a guess is not certain.
    """
    head = _head(table)
    names = [str(name) for name in head.columns]
    for option, named in (("--label", label), ("--path-column", path_column)):
        if named is not None and named not in names:
            raise InputError(f"{option}: {table.name} has no column '{named}'{nearest(named, names)}. {_listed(head)}")
    paths = path_column or _only([name for name in names if _are_files(head[name], table.parent)])
    if paths is None:
        raise InputError(
            f"Which column of {table.name} holds the paths, relative to {table.parent}? Name it with --path-column. "
            f"{_listed(head)}"
        )
    others = [name for name in names if name != paths]
    known = [name for name in others if name.strip().casefold() in LABELS]
    few = [name for name in others if 2 <= head[name].nunique() <= min(MOST_CLASSES, max(2, len(head) // 2))]
    labels = label or _only(known) or _only(few)
    if labels is None:
        raise InputError(f"Which column of {table.name} holds the classes? Name it with --label. {_listed(head)}")
    return labels, paths


def repeated(table: Path, others: Container[str | None]) -> str:
    """The columns, beside others, whose values stand in several rows each, with how many there are, for a message."""
    head = _head(table)
    counts = {name: head[name].nunique() for name in head.columns if name not in others}
    few = [f"{name} with {count:,} values" for name, count in counts.items() if 2 <= count <= len(head) / 2]
    return " or ".join(few[:MOST_NAMED])


def _head(table: Path) -> pd.DataFrame:
    """The first rows as text, of all columns that hold single values."""
    cells = read_cells(table)
    return pd.DataFrame({name: ["" if cell is None else str(cell) for cell in cells[name][:ROWS]] for name in cells})


def _are_files(column: pd.Series, folder: Path) -> bool:
    """Whether most values are files below the folder."""
    values = [value for value in column.head(50) if value and "\0" not in value]
    return bool(values) and sum(_is_file(folder, value) for value in values) > len(values) / 2


def _is_file(folder: Path, value: str) -> bool:
    try:
        return (folder / value).is_file()
    except OSError:  # a name that is too long
        return False


def _only(names: list[str]) -> str | None:
    return names[0] if len(names) == 1 else None


def _listed(head: pd.DataFrame) -> str:
    counts = [f"{name} ({head[name].nunique():,} values)" for name in head.columns[:12]]
    return f"It has {', '.join(counts)}{', ...' if len(head.columns) > 12 else ''}."
