"""Folders of many cells' outputs that a stage depends on as a whole, such as reports/questions.

DVC compares such a folder with dvc.lock, whatever lies in it. What a removed entry left there would make the report
stale in every clone, where `dvc pull` brings no such output; an absent folder would be a missing dependency.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from pipeline.runner.declaration import Cell, Stage
from pipeline.runner.lock_file import locked_stages
from pipeline.store.paths import Paths

TOLD = "deleted {} of entries that params.yaml no longer names; DVC's cache keeps them"


def shared_folders(stages: Mapping[str, Stage]) -> set[str]:
    """The deps of dvc.yaml below which outputs of several cells lie."""
    outs = [PurePosixPath(out) for stage in stages.values() for out in stage.outs]
    deps = {dep for stage in stages.values() for dep in stage.deps}
    return {dep for dep in deps if any(PurePosixPath(dep) in out.parents for out in outs)}


def make_absent(folders: Iterable[str], root: Path) -> None:
    """Make those of `folders` that are absent, since no cell writes there, or nothing was pulled into this clone.

    DVC can neither do without a dependency nor pull a folder that is no output; what lacks in it the stage tells.
    """
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)


def delete_leftovers(folders: Iterable[str], cells: Iterable[Cell], root: Path) -> list[str]:
    """Delete what cells that are no longer in the run left in `folders`; returns the paths, relative to `root`.

    Only what DVC's cache holds is deleted: adding the entry again brings it back without a training.
    """
    if not (shared := set(folders)):
        return []
    live = {out for cell in cells for out in cell.outs}
    leftovers = {
        path: md5
        for path, md5 in _locked_outs(root)
        if path not in live and shared & {str(parent) for parent in PurePosixPath(path).parents}
    }
    leftovers = {path: md5 for path, md5 in leftovers.items() if (root / path).exists()}
    if not leftovers or not (root / ".dvc").is_dir():
        return []
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        deleted = [path for path, md5 in leftovers.items() if repo.cache.local.exists(md5)]
    for path in deleted:
        shutil.rmtree(root / path) if (root / path).is_dir() else (root / path).unlink()
    return deleted


def _locked_outs(root: Path) -> Iterator[tuple[str, str]]:
    """Path and md5 of every output in dvc.lock, also of cells that are gone; none where it cannot be read."""
    try:
        for stage in locked_stages(Paths(root).dvc_lock).values():
            yield from ((out["path"], out["md5"]) for out in stage.get("outs", []))
    except (AttributeError, KeyError, TypeError):  # damaged
        return
