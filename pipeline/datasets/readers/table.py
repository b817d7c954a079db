"""Reader of a CSV or Parquet table in a folder of images: one row per image, any number of label columns."""

import re
import unicodedata
from pathlib import Path

from pipeline.config.schema import Dataset
from pipeline.datasets.readers.columns import read_columns
from pipeline.datasets.readers.files import all_inside, escaped, inside, raw_folder
from pipeline.datasets.readers.raw import SHOWN, RawDataset, RawImage, check_labels, plain_card, sameness
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
    optional = [dataset.group] if dataset.group else []
    asked = [dataset.path_column, *dataset.labels, *dataset.weights, *optional]
    inside(folder, name, "table", root)
    table = read_columns(folder / name, asked)  # by its own name also where it is a link into DVC's cache
    paths = table[dataset.path_column]
    rows = [f"{name}, row {number}" for number in range(1, len(paths) + 1)]
    labels = {column: table[column] for column in dataset.labels}
    for column, values in labels.items():
        check_labels(column, values, dataset.classes.get(column, []), rows)
    weights = {column: _weights(table[column], column, rows) for column in dataset.weights}
    groups = _groups(table[dataset.group], dataset.group, rows) if dataset.group else [escaped(path) for path in paths]
    files = all_inside(folder, zip(paths, rows, strict=True), root)
    images = [
        RawImage(
            path=files[index],
            name=escaped(path),
            labels={column: values[index] for column, values in labels.items()},
            weights={column: values[index] for column, values in weights.items()},
            group=groups[index],
        )
        for index, path in enumerate(paths)
    ]
    card = plain_card(f"Images of the table {escaped(name)}", dataset.raw, {})
    return RawDataset(images, list(dataset.labels), list(dataset.weights), card)


def _weights(texts: list[str], name: str, rows: list[str]) -> list[float]:
    numbers = [_weight(text) for text in texts]
    wrong = [index for index, number in enumerate(numbers) if number is None]
    if wrong:
        places = "; ".join(f"{rows[index]}: {texts[index]!r}" for index in wrong[:SHOWN])
        comma = " Write a point for a decimal comma." if any("," in texts[index] for index in wrong) else ""
        raise InputError(f"Weight column '{name}' must hold numbers in (0, 1]; {len(wrong)} do not: {places}.{comma}")
    return [number for number in numbers if number is not None]


def _weight(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number <= 1 else None


def _groups(texts: list[str], name: str, rows: list[str]) -> list[str]:
    """Groups in one spelling: what one person writes for one patient (`p1`, `P1 `; `7`, `007`) is not divided."""
    empty = [rows[index] for index, group in enumerate(texts) if group.strip().casefold() in ("", "nan")]
    if empty:
        raise InputError(
            f"Group column '{name}' is empty in {len(empty)} rows: {'; '.join(empty[:SHOWN])}. Fill them in."
        )
    plain = [re.sub(r"^(-?\d+)\.0*$", r"\1", unicodedata.normalize("NFC", group).strip()) for group in texts]
    first: dict[object, str] = {}
    return [first.setdefault(sameness(group), group) for group in plain]
