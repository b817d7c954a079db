"""Columns of a CSV or Parquet file as text; what is no table is refused with file, column and row."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.readers.cells import RULE, as_text
from pipeline.datasets.readers.contents import cause_of, head_of
from pipeline.datasets.readers.raw import SHOWN, check_columns
from pipeline.store.errors import InputError, InputFaults
from pipeline.store.words import shown

DELIMITERS = ",;\t|"
SAVE = "Save it as UTF-8 CSV or as Parquet."
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?')  # the first line, as Excel reads and writes it


def read_columns(path: Path, asked: Iterable[str]) -> dict[str, list[str]]:
    """Read columns of a table as text (see `cells.as_text`), by the file's content, not its name.

    CSV may be delimited by comma, semicolon, tab or `|`, as UTF-8 or UTF-16, with or without a byte order mark. Rows
    without any content are left out of it; rows are numbered from 1 below the header.

    Raises:
        InputError: the file is neither, has no row, lacks a column or has it twice.
        InputFaults: rows of another length than the header, and cells that are no single value.
    """
    faults: list[str] = []
    columns = read_cells(path, list(dict.fromkeys(asked)))
    texts = {name: _texts(path.name, name, values, faults) for name, values in columns.items()}
    if faults:
        raise InputFaults(faults)
    return texts


def read_cells(path: Path, wanted: list[str] | None = None) -> dict[str, list[Any]]:
    """Read columns as they are in the file: of CSV text, of Parquet values.

    Args:
        wanted: None: all with a name, but those of Parquet that hold lists, mappings or bytes.

    Raises:
        InputError, InputFaults: as `read_columns`, but for cells.
    """
    head = head_of(path)
    cause = None if head.startswith(b"PAR1") else cause_of(head)
    if cause:
        raise InputError(f"{path.name} is {cause}. {SAVE}")
    columns = _read_parquet(path, wanted) if head.startswith(b"PAR1") else _read_csv(path, wanted)
    if not any(columns.values()):
        raise InputError(f"{path.name} has a header and no row. Add one row per image.")
    return columns


def _texts(file: str, column: str, values: list[Any], faults: list[str]) -> list[str]:
    texts = []
    for row, value in enumerate(values, 1):
        try:
            texts.append(as_text(value))
        except ValueError as error:
            faults.append(f"{file}, row {row}: column '{column}' has {error}; {RULE}.")
    return texts


def _read_parquet(path: Path, wanted: list[str] | None) -> dict[str, list[Any]]:
    """Columns by their names in the file, which may contain dots; only these are read."""
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if wanted is None:
                wanted = [each.name for each in file.schema_arrow if not _holds_many(each.type)]
            _check_names(path.name, wanted, names)
            leaves = [file.schema.column(index).path for index in range(len(file.schema))]
            table = file.read(columns=[leaf for leaf in leaves if _top(leaf, names) in wanted])
        return {name: _values(table.column(name)) for name in wanted}
    except InputError:
        raise
    except Exception as error:  # Arrow raises exceptions of many kinds, Overflow of a date among them
        detail = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(f"{path.name} cannot be read as Parquet: {detail}. {SAVE}") from None


def _holds_many(kind: pa.DataType) -> bool:
    return bool(pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _values(column: Any) -> list[Any]:
    """The cells of an Arrow column; one that Python cannot hold, such as a date of the year 50000, stays Arrow's."""
    try:
        return list(column.to_pylist())
    except Exception:  # of many kinds

        def held(scalar: Any) -> Any:
            try:
                return scalar.as_py()
            except Exception:
                return scalar

        return [held(scalar) for scalar in column]


def _top(leaf: str, names: list[str]) -> str:
    """The top-level column of a leaf of the schema, `a.list.element` of a nested one: the longest name that fits."""
    return max((name for name in names if leaf == name or leaf.startswith(f"{name}.")), key=len, default=leaf)


def _read_csv(path: Path, wanted: list[str] | None) -> dict[str, list[Any]]:
    """Cells as text: a class may be called NA, None or 007."""
    text = _decoded(path)
    declared = SEPARATOR_LINE.fullmatch(text.split("\n", 1)[0].strip())
    if declared:
        text = text.partition("\n")[2]
    delimiter = declared[1] if declared and declared[1] in DELIMITERS else _delimiter(text, wanted or [])
    numbered = _records(path.name, text, delimiter)
    if not numbered:
        raise InputError(f"{path.name} is empty. Write a header and one row per image.")
    header = [name.strip() for name in numbered[0][1]]
    if len(header) == 1 and len(wanted or []) > 1:
        raise InputError(
            f"{path.name} is no table with several columns: its first line is {shown(header[0])}. Delimit columns by "
            f"comma, semicolon, tab or `|`. {SAVE}"
        )
    wanted = [name for name in header if name] if wanted is None else wanted
    _check_names(path.name, wanted, header)
    rows = [(line, record) for line, record in numbered[1:] if any(cell.strip() for cell in record)]
    used = len(header) - next((i for i, name in enumerate(reversed(header)) if name), len(header))
    faults = [
        f"{path.name}, row {row} (line {line}): the number of fields is {len(record)}, of the header {len(header)}. A "
        f"text with a {_named(delimiter)} in it needs quotes."
        for row, (line, record) in enumerate(rows, 1)
        if len(record) < used or any(cell.strip() for cell in record[len(header) :])
    ]
    if faults:
        raise InputFaults(faults)
    return {name: [record[header.index(name)] for _, record in rows] for name in wanted}


def _decoded(path: Path) -> str:
    data = path.read_bytes()
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))  # UTF-16, as Excel saves "Unicode text"
    try:  # without the byte order mark and the sign for the end of a file of DOS
        text = data.decode("utf-16" if wide else "utf-8").lstrip("\ufeff").rstrip("\x1a")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path.name}, line {line}: cannot be read as {error.encoding}: {error.reason}. {SAVE}"
        ) from None
    if "\0" in text:  # every other byte of UTF-16
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{path.name}, line {line}: has zero bytes: UTF-16 without its mark, or damaged. {SAVE}")
    return text


def _delimiter(text: str, wanted: list[str]) -> str:
    """The delimiter with which the header has most of the columns; of equals, most fields, then the usual one."""

    def fit(delimiter: str) -> tuple[int, int]:
        try:
            header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        except csv.Error:
            return 0, 0
        names = {name.strip() for name in header}
        return len(names.intersection(wanted)), len(header)

    return max(DELIMITERS, key=fit)


def _records(file: str, text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """The records with the line that each ends at.

    Raises:
        InputError: quotes that do not pair, or a field longer than 128 KB; names the line.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records: list[tuple[int, list[str]]] = []
    try:
        records.extend((reader.line_num, record) for record in reader)
    except csv.Error as error:
        begun = (records[-1][0] if records else 0) + 1
        raise InputError(
            f"{file}, row {len(records)} (line {begun}): {error}. Pair the quotes; within a quoted text, double them."
        ) from None
    return records


def _check_names(file: str, wanted: list[str], names: list[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
    if twice:
        raise InputError(f"{file}: column {', '.join(map(repr, twice[:SHOWN]))} occurs twice. Remove one.")
    check_columns(file, wanted, [name for name in names if name])


def _named(delimiter: str) -> str:
    return {",": "comma", ";": "semicolon", "\t": "tab"}.get(delimiter, delimiter)
