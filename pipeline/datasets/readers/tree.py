"""The files and folders below a raw folder, without those of the system, which are counted."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.datasets.readers.files import absent_outs, escaped
from pipeline.datasets.readers.left_out import left_out
from pipeline.store.errors import InputFaults

Parts = tuple[str, ...]  # a path below the raw folder
POINTER = ".dvc"  # the end of the name of a file by which DVC knows another


@dataclass
class Tree:
    """What lies below a folder.

    Attributes:
        files: paths of all files (and of what else is no folder), sorted by their bytes.
        folders: paths of all folders, empty ones too.
        left_out: number of files left out, by the name or the kind that they are counted under.
    """

    files: list[Parts] = field(default_factory=list)
    folders: list[Parts] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def below(self, prefix: Parts) -> "Tree":
        """What lies in one of the folders, by paths below it."""
        depth = len(prefix)
        files, folders = ([p[depth:] for p in paths if p[:depth] == prefix and len(p) > depth] for paths in self._both)
        return Tree(files, folders, self.left_out)

    @property
    def tops(self) -> list[str]:
        """Names of the folders at the top, sorted by their bytes."""
        return [path[0] for path in self.folders if len(path) == 1]

    @property
    def loose(self) -> list[str]:
        """Names of the files at the top."""
        return [path[0] for path in self.files if len(path) == 1]

    @property
    def _both(self) -> tuple[list[Parts], list[Parts]]:
        return self.files, self.folders


def read_tree(folder: Path) -> Tree:
    """List a folder; without recursion, so that its depth does not matter.

    Raises:
        InputFaults: all folders that cannot be read, all links to folders, and what DVC knows and has not put there.
    """
    tree, faults = Tree(), []
    waiting: list[Parts] = [()]
    while waiting:
        parent = waiting.pop()
        try:
            entries = list(_entries(folder.joinpath(*parent)))
        except OSError as error:
            where = escaped(folder.joinpath(*parent))
            faults.append(f"Folder {where} cannot be read: {error.strerror}. Give yourself access to it.")
            continue
        faults += _not_pulled(folder, parent, {name for name, _, _ in entries})
        for name, is_folder, is_link in entries:
            counted = left_out(name)
            if counted:
                tree.left_out[counted] += _files_in(folder.joinpath(*parent, name)) if is_folder and not is_link else 1
            elif is_folder and is_link:
                where = escaped("/".join((*parent, name)))
                faults.append(f"'{where}' in {escaped(folder)} is a link to a folder. Copy the folder in place.")
            elif is_folder:
                tree.folders.append((*parent, name))
                waiting.append((*parent, name))
            else:
                tree.files.append((*parent, name))
    if faults:
        raise InputFaults(sorted(faults))
    for paths in (tree.files, tree.folders):
        paths.sort(key=lambda path: os.fsencode("/".join(path)))
    return tree


def _entries(folder: Path) -> Iterator[tuple[str, bool, bool]]:
    """The name of every entry, whether it is or leads to a folder, and whether it is a link."""
    with os.scandir(folder) as found:
        for entry in found:
            is_link = entry.is_symlink()
            yield entry.name, Path(entry.path).is_dir() if is_link else entry.is_dir(), is_link


def _not_pulled(folder: Path, parent: Parts, names: set[str]) -> Iterator[str]:
    """Faults of a folder in which a file NAME.dvc stands for a class or an image that is not there."""
    for name in sorted(names):
        stem = name.removesuffix(POINTER)
        if stem in ("", name) or stem in names:
            continue
        pointer = folder.joinpath(*parent, name)
        for out in absent_outs(pointer):
            where = escaped("/".join((*parent, out)))
            yield (
                f"'{where}' of {escaped(folder)} is not there, but DVC knows it. Run `dvc pull {escaped(pointer)}` (or "
                "`dvc checkout`), or remove that file."
            )


def _files_in(folder: Path) -> int:
    """The number of files in a folder that is left out, as far as it may be read."""
    return sum(len(names) for _, _, names in os.walk(folder))
