"""Reader of a CSV or Parquet table in a folder of images: one row per image, any number of label columns."""

import csv
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.config.schema import Dataset
from pipeline.datasets.readers.raw import (
    SHOWN,
    RawDataset,
    RawImage,
    check_columns,
    check_labels,
    escaped,
    inside,
    plain_card,
    raw_folder,
)
from pipeline.store.errors import InputError


def read_table(dataset: Dataset, root: Path) -> RawDataset:
    """Read `table` inside the raw folder; paths in `path_column` are relative to that folder.

    Raises:
        InputError: no folder, table or column; a row whose path is missing or outside the folder, whose label is
            blank or not allowed, whose weight is outside (0, 1], or whose group is empty. Rows are numbered from 1.
    """
    folder = raw_folder(root / dataset.raw, "raw", "the table and its images")
    name = dataset.table or ""
    if not name:
        raise InputError("`table` is missing: reader `table` needs the name of a CSV or Parquet file inside `raw`.")
    table = _load(inside(folder, name, "table"))
    optional = [dataset.group] if dataset.group else []
    check_columns(name, [dataset.path_column, *dataset.labels, *dataset.weights, *optional], map(str, table.columns))
    rows = [f"{name}, row {number}" for number in range(1, len(table) + 1)]
    labels = {column: [_text(value) for value in table[column]] for column in dataset.labels}
    for column, values in labels.items():
        check_labels(column, values, dataset.classes.get(column, []), rows)
    weights = {column: _weights(table[column], column, rows) for column in dataset.weights}
    paths = [_text(value) for value in table[dataset.path_column]]
    groups = _groups(table[dataset.group], dataset.group, rows) if dataset.group else [escaped(path) for path in paths]
    images = [
        RawImage(
            path=inside(folder, path, rows[index]),
            name=escaped(path),
            labels={column: values[index] for column, values in labels.items()},
            weights={column: values[index] for column, values in weights.items()},
            group=groups[index],
        )
        for index, path in enumerate(paths)
    ]
    card = plain_card(f"Images of the table {escaped(name)}", dataset.raw, skipped=0)
    return RawDataset(images, list(dataset.labels), list(dataset.weights), card)


def _load(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
        twice = sorted({column for column in header if header.count(column) > 1})
        if twice:
            raise InputError(f"{path.name}: column {', '.join(twice)} occurs twice. Remove one.")
        # as text: a class may be called NA, None or 007
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, OSError) as error:  # pandas' and Arrow's errors, and UnicodeDecodeError, are ValueErrors
        detail = " ".join(str(error).split())[:160]
        raise InputError(f"{path.name} cannot be read: {detail}. Save it as UTF-8 CSV or as Parquet.") from None


def _text(value: Any) -> str:
    """A value as text: missing is blank, a whole float has no fraction (pandas reads integers with gaps as floats)."""
    if pd.isna(value):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _weights(column: pd.Series, name: str, rows: list[str]) -> list[float]:
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    wrong = [index for index, good in enumerate(numbers.between(0, 1, inclusive="right")) if not good]
    if wrong:
        places = "; ".join(f"{rows[index]}: {column.iloc[index]!r}" for index in wrong[:SHOWN])
        raise InputError(f"Weight column '{name}' must hold numbers in (0, 1]; {len(wrong)} do not: {places}.")
    return numbers.tolist()


def _groups(column: pd.Series, name: str, rows: list[str]) -> list[str]:
    groups = [_text(value) for value in column]
    empty = [rows[index] for index, group in enumerate(groups) if not group.strip()]
    if empty:
        raise InputError(
            f"Group column '{name}' is empty in {len(empty)} rows: {'; '.join(empty[:SHOWN])}. Fill them in."
        )
    return groups
