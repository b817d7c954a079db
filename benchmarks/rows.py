"""Rows of a table that take long to make: kept in a CSV as they come, so that a second call goes on from there."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

Row = dict[str, Any]


def arguments(description: str | None) -> argparse.Namespace:
    """Read `workspace` (a folder in which the pipeline has run) and `rows` (a CSV, or None) from the command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", nargs="?", type=Path, default=Path())
    parser.add_argument("--rows", type=Path, help="a CSV to keep what is done in; a second call goes on from there")
    return parser.parse_args()


def fill(keys: Sequence[Row], make: Callable[[Row], Row], csv: Path | None, write: Callable[[list[Row]], None]) -> None:
    """Make the rows that are missing, in order, and write all that are there after each.

    Args:
        keys: of each row the fields that tell it from the others, as `make` returns them among its own.
    """
    rows: list[Any] = pd.read_csv(csv).to_dict("records") if csv and csv.exists() else []
    for key in keys:
        if not any(key.items() <= row.items() for row in rows):
            rows.append(make(key))
            if csv:
                pd.DataFrame(rows).to_csv(csv, index=False)
        write(rows)
