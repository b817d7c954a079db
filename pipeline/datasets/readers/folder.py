"""Reader of a folder with one directory per class, with or without splits."""

import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from pipeline.config.schema import Dataset
from pipeline.datasets.readers.files import all_inside, escaped, raw_folder
from pipeline.datasets.readers.layout import BESIDE, Layout, find_layout, looks_like_image
from pipeline.datasets.readers.raw import (
    SPLIT,
    RawDataset,
    RawImage,
    check_columns,
    check_labels,
    check_twins,
    plain_card,
)
from pipeline.datasets.readers.tree import Parts, Tree, read_tree
from pipeline.registry.readers import READERS
from pipeline.store.errors import InputError, InputFaults

LABEL = "label"
# versions of one picture (rotated, mirrored, ...) as Roboflow names them: cat_jpg.rf.0123456789abcdef.jpg
VERSION = re.compile(r"(.+)\.rf\.[0-9A-Za-z]{16,}\.\w+", re.DOTALL)
CONTENT = "one directory per class with its images (or set `reader`)"


def read_folder(dataset: Dataset, root: Path) -> RawDataset:
    """List the images below each class directory, sorted by name; the directory's name is the label.

    Columns: label; split, where class folders lie in folders named train, val, test and the like, or the other way
    round. Class directories are searched recursively. Files of the system, hidden ones and those beside the class
    directories are left out and counted in the card; any other counts as an image, and is quarantined if it is not.

    Raises:
        InputError: no raw folder, no class, an ambiguous layout, or columns that the folder does not have.
        InputFaults: empty classes, class names equal up to case, links out of the folder, FIFOs or devices.
    """
    check_columns("weights of a folder dataset", dataset.weights, [])
    check_columns("group of a folder dataset", [dataset.group] if dataset.group else [], READERS["folder"].groups or ())
    folder = raw_folder(root / dataset.raw, "raw", CONTENT)
    tree, allowed = read_tree(folder), dataset.classes.get(LABEL, [])
    layout = find_layout(tree, escaped(folder), allowed)
    there = [LABEL] if layout.split is None else [LABEL, SPLIT]
    check_columns("labels of a folder dataset", dataset.labels, there)
    listed = [path for path in tree.files if _has_label(path, layout)]
    listed.sort(key=lambda path: (os.fsencode(path[layout.label]), os.fsencode("/".join(path))))
    _check_classes(tree, layout, listed, escaped(folder))
    names = ["/".join(path) for path in listed]
    named = zip(names, listed, strict=True)
    paths = all_inside(folder, [(name, f"Class '{escaped(path[layout.label])}'") for name, path in named], root)
    labels = [{column: escaped(path[_level(layout, column)]) for column in dataset.labels} for path in listed]
    images = [
        RawImage(path, escaped(name), label, {}, group=escaped(_original(name)))
        for path, name, label in zip(paths, names, labels, strict=True)
    ]
    for column in dataset.labels:
        values = [image.labels[column] for image in images]
        check_labels(column, values, dataset.classes.get(column, []), [image.name for image in images])
    card = plain_card(f"Images of the folder {escaped(dataset.raw)}", dataset.raw, _left_out(tree, layout))
    return RawDataset(images, list(dataset.labels), [], card | {"layout": layout.name})


def _level(layout: Layout, column: str) -> int:
    return layout.label if column == LABEL or layout.split is None else layout.split


def _original(name: str) -> str:
    """The name that versions of one picture share, so that these are a group."""
    version = VERSION.fullmatch(name)
    return version[1] if version else name


def _has_label(path: Parts, layout: Layout) -> bool:
    return len(path) > max(layout.label, layout.split or 0) + 1


def _left_out(tree: Tree, layout: Layout) -> Mapping[str, int]:
    beside = sum(not _has_label(path, layout) for path in tree.files)
    return tree.left_out + Counter({BESIDE: beside})


def _check_classes(tree: Tree, layout: Layout, listed: list[Parts], where: str) -> None:
    """Refuse classes without images, classes of other files alone, and names that are probably one class."""
    depth = max(layout.label, layout.split or 0) + 1
    classes = sorted({path[layout.label] for path in tree.folders if len(path) == depth}, key=os.fsencode)
    check_twins(f"Class directories of {where}", [escaped(name) for name in classes])
    of_class: dict[str, list[str]] = {name: [] for name in classes}
    for path in listed:
        of_class[path[layout.label]].append(path[-1])
    faults = []
    for name, files in of_class.items():
        if not any(map(looks_like_image, files)):
            others = Counter(Path(file).suffix.lower() for file in files).most_common(3)
            received = f" ({', '.join(f'{count:,} {escaped(suffix)}' for suffix, count in others)})" if files else ""
            faults.append(
                f"Class directory '{escaped(name)}' of {where} has no image{received}. Add some or remove it."
            )
    if faults:
        raise InputFaults(faults)
    if not listed:
        raise InputError(f"{where} has no image. Put there {CONTENT}.")
