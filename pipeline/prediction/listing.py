"""List the images that a command line names: files, all files below folders, and the rows of tables."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.datasets.images import FORMATS
from pipeline.datasets.readers.columns import read_cells, read_columns
from pipeline.datasets.readers.files import escaped
from pipeline.datasets.readers.left_out import left_out
from pipeline.store.errors import InputError
from pipeline.store.words import nearest

TABLES = (".csv", ".tsv", ".parquet")
ENDINGS = {"", *(ending for endings in FORMATS.values() for ending in endings)}  # a file may come without one
PATH_COLUMNS = ("path", "file", "filename", "file_name", "image", "image_path", "filepath")
SHOWN = 5  # in a message


@dataclass
class Listing:
    """Images in the order in which they were named, each once.

    Attributes:
        images: name as it stands in the output -> file, links resolved. It may not exist, or be no image.
        left_out: ending -> number of files in folders that have an ending of no image format.
    """

    images: dict[str, Path] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, path: Path) -> None:
        self.images.setdefault(escaped(path), Path(os.path.realpath(path)))


def list_images(paths: list[Path], path_column: str | None) -> Listing:
    """List the images of files, folders and tables.

    A file that is named is taken whatever its ending, except a table. Below a folder, hidden files, those of the system
    and of viewers, and those with an ending of no image format are left out, the last counted. Paths in a table are
    relative to its folder.

    Args:
        path_column: of tables; None: the first of PATH_COLUMNS that a table has.

    Raises:
        InputError: a path does not exist, a table cannot be read, or there is no image.
    """
    missing = [escaped(path) for path in paths if not path.exists()]
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise InputError(f"There is no {', '.join(missing[:SHOWN])}{more}. Name files, folders or tables that exist.")
    listing = Listing()
    for path in paths:
        if path.is_dir():
            _add_folder(listing, path)
        elif path.suffix.lower() in TABLES:
            for name in _paths_of_table(path, path_column):
                listing.add(path.parent / name)
        else:
            listing.add(path)
    if not listing.images:
        left = f" ({in_words(listing.left_out)} left out)" if listing.left_out else ""
        raise InputError(f"{', '.join(map(escaped, paths[:SHOWN]))}: no image there{left}. Name images, or a folder.")
    return listing


def in_words(left_out: Counter[str]) -> str:
    """`3 .txt, 1 .xml`, the most frequent first."""
    named = [f"{count:,} {ending}" for ending, count in left_out.most_common(SHOWN)]
    return ", ".join([*named, *(["..."] if len(left_out) > SHOWN else [])])


def _add_folder(listing: Listing, top: Path) -> None:
    for parent, folders, files in os.walk(top, onerror=_refuse):
        folders[:] = sorted((name for name in folders if not left_out(name)), key=os.fsencode)
        for name in sorted(files, key=os.fsencode):
            ending = Path(name).suffix.lower()
            if left_out(name):
                continue
            if ending in ENDINGS:
                listing.add(Path(parent, name))
            else:
                listing.left_out[escaped(ending)] += 1


def _refuse(error: OSError) -> None:
    raise InputError(f"Folder {escaped(error.filename)} cannot be read: {error.strerror}. Give yourself access to it.")


def _paths_of_table(table: Path, column: str | None) -> list[str]:
    names = list(read_cells(table))
    chosen = column or next((name for name in PATH_COLUMNS if name in names), None)
    if chosen not in names:
        asked = f"no column '{column}'{nearest(column, names)}" if column else "no column with paths"
        raise InputError(f"{escaped(table)} has {asked}; available: {', '.join(names)}. Set --path-column.")
    values = [value.strip() for value in read_columns(table, [chosen])[chosen]]
    return [value for value in values if value]
