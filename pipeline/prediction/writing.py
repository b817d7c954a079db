"""Write predictions as CSV, JSON Lines or Parquet, by the ending of the file."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from pipeline.store.errors import InputError
from pipeline.store.files import FORMULA, write_parquet, write_text

NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")  # a class may be called -1, which no spreadsheet mistakes


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV, floats with nine significant digits; what a spreadsheet would evaluate is prefixed with `'`."""
    texts = [name for name in table.columns if table[name].dtype.kind == "O"]
    safe = table.assign(**{name: table[name].map(_escaped) for name in texts})
    buffer = io.StringIO()
    safe.to_csv(buffer, index=False, float_format="%.9g", lineterminator="\n")
    return buffer.getvalue()


def json_lines(table: pd.DataFrame) -> str:
    """A JSON object a row; what is missing is null."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


WRITERS: dict[str, Callable[[Path, pd.DataFrame], None]] = {
    ".csv": lambda path, table: write_text(path, csv_text(table)),
    ".jsonl": lambda path, table: write_text(path, json_lines(table)),
    ".parquet": write_parquet,
}


def check_out(out: Path, inputs: list[Path]) -> None:
    """Check, before anything is computed, that predictions can be written to `out`.

    Raises:
        InputError: its ending says no format, it is a folder, or it is one of the inputs.
    """
    if out.suffix.lower() not in WRITERS:
        raise InputError(f"--out {out}: the ending '{out.suffix}' names no format; allowed: {', '.join(WRITERS)}.")
    if out.is_dir():
        raise InputError(f"--out {out} is a folder. Name a file in it.")
    if any(path.resolve() == out.resolve() for path in inputs):
        raise InputError(f"--out {out} is one of the inputs and would be overwritten. Name another file.")


def write(out: Path, table: pd.DataFrame) -> None:
    """Write predictions to a file that `check_out` has accepted, as a whole or not at all."""
    WRITERS[out.suffix.lower()](out, table)


def _escaped(value: object) -> object:
    risky = isinstance(value, str) and value.startswith(FORMULA) and not NUMBER.fullmatch(value)
    return f"'{value}" if risky else value
