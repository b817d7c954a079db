"""Read what `init` is given: a folder or a table of images, and the groups that a pattern finds in file names."""

import csv
import io
import re
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from pipeline.commands.columns import guess_columns, repeated
from pipeline.commands.survey import Survey
from pipeline.config.schema import Dataset
from pipeline.datasets.readers.raw import RawDataset, RawImage
from pipeline.datasets.readers.read import read_raw
from pipeline.store.errors import InputError

LABEL, GROUP, GROUPS_TABLE = "label", "group", "groups.csv"
TABLES = (".csv", ".tsv", ".txt", ".parquet")
# folders of the clone that hold its code or what stages write; nobody's images belong there
WRITTEN = ("datasets", "targets", "features", "forecasts", "clocks", "docs")  # below data/
OURS = (
    *("pipeline", "tests", "docs", "reports", "models", "profiles", "benchmarks", ".dvc", ".git", ".store", "runs"),
    *(f"data/{name}" for name in WRITTEN),
)
HINT = "If several show one thing (a patient, a scene), the verdict is too sure of itself without "


def read_images(asked: Namespace, place: Path, root: Path) -> tuple[Dataset, RawDataset, tuple[Path, str] | None]:
    """The dataset's entry, its images, and the table of groups to write, if one is needed."""
    if not asked.path:
        raise InputError("Which images? Give a folder of class folders, or a table: make init IMAGES=~/photos.")
    if not place.exists():
        raise InputError(
            f"There is nothing at {place}. Give a folder of class folders, or a table (CSV, TSV, Parquet)."
        )
    if place.is_file():
        if place.suffix.lower() not in TABLES:
            raise InputError(f"{place} is no table ({', '.join(TABLES)}) and no folder. Give one of them.")
        if asked.group_pattern or asked.classes:
            raise InputError("--group-pattern and --classes are for a folder. A table has --group and --label.")
        label, path_column = guess_columns(place, asked.label, asked.path_column)
        dataset = Dataset(
            reader="table",
            raw=_raw(place.parent, root),
            table=place.name,
            path_column=path_column,
            labels=[label],
            group=asked.group,
        )
        return dataset, read_raw(dataset, root), None
    if asked.group or asked.path_column or asked.label not in (None, LABEL):
        raise InputError("--label, --group and --path-column name columns of a table. A folder has --group-pattern.")
    classes = {LABEL: [name.strip() for name in asked.classes.split(",")]} if asked.classes else {}
    dataset = Dataset(reader="folder", raw=_raw(place, root), labels=[LABEL], classes=classes)
    try:
        raw = read_raw(dataset, root)
    except InputError as error:
        if classes or "`classes`" not in str(error):
            raise
        raise InputError(f"{error} For init: `--classes A,B,...`, or the path of a table.") from None
    if asked.group_pattern is None:
        return dataset, raw, None
    raw = replace(raw, images=_grouped(raw.images, asked.group_pattern))
    table = place / GROUPS_TABLE
    dataset = dataset.model_copy(update={"reader": "table", "table": GROUPS_TABLE, "group": GROUP})
    return dataset, raw, (table, _table_of(raw.images, table))


def _raw(folder: Path, root: Path) -> str:
    """`raw` of a folder: relative to the clone where it lies in it, else absolute.

    Raises:
        InputError: the folder holds what is not the user's.
    """
    here, there = root.resolve(), folder.resolve()
    if not there.is_relative_to(here):
        if here.is_relative_to(there):
            raise InputError(f"{folder} holds this clone. Put the images into a folder of their own.")
        return there.as_posix()
    inner = there.relative_to(here).as_posix()
    ours = [name for name in OURS if inner == name or inner.startswith(f"{name}/") or name.startswith(f"{inner}/")]
    if inner in (".", "data", "data/raw") or ours:
        raise InputError(
            f"{folder} holds files of the project. Put the images, with their table, into a folder of their own, such "
            "as data/raw/photos."
        )
    return inner


def below(image: RawImage) -> str:
    """The path below the class folder."""
    parts = image.name.split("/")
    return "/".join(parts[parts.index(image.labels[LABEL]) + 1 :])


def _grouped(images: list[RawImage], pattern: str) -> list[RawImage]:
    """Images with the groups that a pattern finds in their names.

    Raises:
        InputError: the pattern is none, has not one group, or does not fit all names.
    """
    try:
        search = re.compile(pattern)
    except re.error as error:
        raise InputError(f"--group-pattern {pattern!r} is no regular expression: {error}.") from None
    if search.groups != 1:
        raise InputError(
            f"--group-pattern {pattern!r} has {search.groups} groups in parentheses; one is needed, such as "
            "'^([^_]+)_' for the part before the first underscore, or '^([^/]+)/' for the subfolder."
        )
    matches = [search.search(below(image)) for image in images]
    missed = [below(image) for image, match in zip(images, matches, strict=True) if match is None or not match[1]]
    if missed:
        raise InputError(
            f"--group-pattern {pattern!r} does not fit {len(missed):,} of {len(images):,} names below the class folders"
            f": {', '.join(missed[:3])}. Correct it, so that every image has a group."
        )
    return [replace(image, group=match[1]) for image, match in zip(images, matches, strict=True) if match]


def _table_of(images: list[RawImage], path: Path) -> str:
    """The text of a table with path, label and group of every image.

    Raises:
        InputError: another file has its name, or a name cannot be written into it.
    """
    header = f"path,{LABEL},{GROUP}"
    if path.exists() and path.read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip() != header:
        raise InputError(f"{path} exists and was not made by init, which would write the groups there. Rename it.")
    odd = [image.name for image in images if "\\" in image.name]
    if odd:
        raise InputError(f"{len(odd)} names have characters that a table cannot hold, such as {odd[0]}. Rename them.")
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header.split(","))
    writer.writerows((image.name, image.labels[LABEL], image.group) for image in images)
    return stream.getvalue()


def hint(found: Survey, dataset: Dataset, place: Path) -> str | None:
    """What to say of images without groups; None where they have some.

    Args:
        place: the folder or table that was given.
    """
    if found.groups is not None:
        return None
    if dataset.reader == "table":
        columns = repeated(place, {*dataset.labels, dataset.path_column})
        return f"{HINT}--group COLUMN{f' (perhaps {columns})' if columns else ''}."
    nested = sum("/" in below(image) for image in found.images)
    if nested > len(found.images) / 2:
        return f"{HINT}--group-pattern '^([^/]+)/' (the subfolder)."
    if sum("_" in below(image) for image in found.images) > len(found.images) / 2:
        return f"{HINT}--group-pattern '^([^_]+)_' (the file name before the first underscore)."
    return f"{HINT}--group-pattern, a regular expression that finds the thing in the file name."
