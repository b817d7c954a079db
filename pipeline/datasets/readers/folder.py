"""Reader of a folder with one directory per class."""

import os
from pathlib import Path

from pipeline.config.schema import Dataset
from pipeline.datasets.readers.raw import (
    RawDataset,
    RawImage,
    check_columns,
    check_labels,
    check_twins,
    escaped,
    inside,
    plain_card,
    raw_folder,
)
from pipeline.registry.readers import READERS
from pipeline.store.errors import InputError

LABEL = "label"
CONTENT = "one directory per class with its images (or set `reader`)"


def read_folder(dataset: Dataset, root: Path) -> RawDataset:
    """List the images below each class directory, sorted by name; the directory's name is the label.

    Class directories are searched recursively. Hidden files (`.DS_Store`) and files beside the class directories are
    skipped and counted in the card; any other file counts as an image, and is quarantined later if it is not.

    Raises:
        InputError: no raw folder, no class, an empty class, class names equal up to case, a link out of the folder, a
            FIFO or device, or columns that a folder does not have.
    """
    check_columns("labels of a folder dataset", dataset.labels, [LABEL])
    check_columns("weights of a folder dataset", dataset.weights, [])
    check_columns("group of a folder dataset", [dataset.group] if dataset.group else [], READERS["folder"].groups or ())
    folder = raw_folder(root / dataset.raw, "raw", CONTENT)
    entries = sorted(folder.iterdir(), key=lambda entry: os.fsencode(entry.name))
    classes = [entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    check_twins(f"Class directories of {escaped(folder)}", [escaped(name) for name in classes])
    if not classes:
        raise InputError(f"{escaped(folder)} has no class directory. Put there {CONTENT}.")
    images, skipped = [], len(entries) - len(classes)
    for name in classes:
        paths, hidden = _files(folder, name)
        skipped += hidden
        if not paths:
            raise InputError(
                f"Class directory '{escaped(name)}' of {escaped(folder)} has no image. Add some or remove it."
            )
        images += [_image(folder, path, escaped(name)) for path in paths]
    labels = [image.labels[LABEL] for image in images]
    check_labels(LABEL, labels, dataset.classes.get(LABEL, []), [image.name for image in images])
    card = plain_card(f"Images of the folder {escaped(dataset.raw)}", dataset.raw, skipped)
    return RawDataset(images, [LABEL], [], card)


def _files(folder: Path, name: str) -> tuple[list[str], int]:
    """Names of the files below a class directory, relative to `folder`, sorted; and the number of hidden files."""
    found, hidden = [], 0
    for parent, directories, files in os.walk(folder / name, onerror=_refuse):
        linked = [path for path in (Path(parent), *(Path(parent, name) for name in directories)) if path.is_symlink()]
        if linked:
            where = escaped(linked[0].relative_to(folder))
            raise InputError(f"'{where}' in {escaped(folder)} is a link to a folder. Copy the folder in place.")
        shown = [file for file in files if not file.startswith(".")]
        hidden += len(files) - len(shown)
        found += [os.fspath((Path(parent) / file).relative_to(folder)) for file in shown]
        directories[:] = [directory for directory in directories if not directory.startswith(".")]
    return sorted(found, key=os.fsencode), hidden


def _refuse(error: OSError) -> None:
    raise InputError(f"Folder {escaped(error.filename)} cannot be read: {error.strerror}. Give yourself access to it.")


def _image(folder: Path, path: str, label: str) -> RawImage:
    name = escaped(path)
    return RawImage(inside(folder, path, f"Class '{label}'"), name, {LABEL: label}, {}, group=name)
