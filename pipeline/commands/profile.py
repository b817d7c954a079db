"""Profiles: smaller and larger runs of the same code, each a file of differences from params.yaml.

An entry section of a profile (datasets, targets, transfers, ...) replaces that of params.yaml whole, so that a profile
has the same questions whatever params.yaml has. Its settings (run, head, tune, ...) merge key by key.
"""

import filecmp
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.config.loading import check_params
from pipeline.config.params import ENTRY_SECTIONS
from pipeline.registry.architectures import is_file
from pipeline.store.errors import InputError, ParamsError
from pipeline.store.files import replacing, write_text
from pipeline.store.yaml import read_yaml

FOLDER, PARAMS = Path("profiles"), Path("params.yaml")
METHODS = "pretraining."  # params.yaml has the settings of a method only where a source uses it
# what a run needs besides params.yaml
CODE = ("dvc.yaml", ".dvcignore", ".dvc/plots", "pipeline")
WRITTEN = ("data", "models", "reports", *CODE)  # a link in place of these would let a workspace write into the clone
# entries that name a file or folder of the user's, and where: images, .keras files and files of weights
INPUTS = (("datasets", "raw"), ("sources", "architecture"), ("sources", "path"), ("baselines", "architecture"))


def apply_profile(name: str, into: Path | None) -> None:
    """Write params.yaml with a profile applied: in place, or into a DVC workspace of its own at `into`.

    In place, `dvc exp run` takes the profile as any other edit, and `git checkout params.yaml` undoes it.

    Raises:
        InputError: there is no such profile, the result is no valid params.yaml, or an uncommitted edit of params.yaml
            would be lost.
    """
    profiles = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    if name not in profiles:
        raise InputError(f"No profile '{name}' in {FOLDER}/. There is {', '.join(profiles)}.")
    if into is None:
        _refuse_to_lose_edits(name)
        write_params(name, PARAMS)
    else:
        make_workspace(into, CODE)
        write_params(name, into / PARAMS, into)
        link_inputs(into)


def make_workspace(folder: Path, items: tuple[str, ...]) -> None:
    """Make a DVC workspace with copies of these files and folders; an existing one keeps its cache and outputs.

    It is without Git, so that a workspace inside a clone leaves the clone alone, and Git ignores it wherever it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".git").exists() and not (folder / ".gitignore").exists():
        write_text(folder / ".gitignore", "*\n")
    if not (folder / ".dvc" / "config.local").exists():  # written last: without it, a start was cut
        subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--force", "-q"], cwd=folder, check=True)
        shutil.copy(Path(".dvc/config"), folder / ".dvc" / "config")
        write_text(folder / ".dvc" / "config.local", "[core]\n    no_scm = true\n    autostage = false\n")
    for item in items:
        _mirror(Path(item), folder / item)


def link_inputs(into: Path) -> None:
    """Link the workspace to the raw data and files of weights that its params name, which are neither copied nor read.

    Raises:
        InputError: a path would link a folder that the workspace writes into.
    """
    paths = {os.path.normpath(entry[key]) for entry, key in _inputs(read_yaml(into / PARAMS))}
    inner = sorted(path for path in paths if not Path(path).is_absolute() and not path.startswith(".."))
    for path in inner:
        if any(Path(written).is_relative_to(path) for written in WRITTEN):
            raise InputError(f"'{path}' holds what the pipeline writes. Put raw data into a folder of its own.")
        if not any(Path(path).is_relative_to(other) for other in inner if other != path):
            _link(Path(path).absolute(), into, path)


def write_params(profile: str, path: Path, into: Path = Path()) -> None:
    """Write this folder's params.yaml with the profile applied to `path`; comments stay.

    Args:
        into: the workspace of these params; raw data beside the clone is named from there.

    Raises:
        ParamsError: a file is no mapping of sections, the profile has a section that params.yaml lacks, or the result
            is no valid params.yaml.
    """
    yaml = YAML()
    yaml.width = 1000
    source, loaded = FOLDER / f"{profile}.yaml", []
    for file in (PARAMS, source):
        if not isinstance(read_yaml(file), dict):
            raise ParamsError(["a mapping of sections was expected"], str(file))
        loaded.append(yaml.load(file.read_text(encoding="utf-8")))
    params, differences = loaded
    faults = merge(params, differences)
    if faults:
        raise ParamsError(faults, str(source))
    for entry, key in _inputs(params):
        if os.path.normpath(entry[key]).startswith(".."):
            entry[key] = Path(os.path.relpath(entry[key], into)).as_posix()
    with replacing(path) as temporary:
        yaml.dump(params, temporary)
        check_params(read_yaml(temporary), f"params.yaml with {source}")


def merge(params: Any, profile: Any) -> list[str]:
    """Apply a profile to params, in place: entry sections replace, settings merge key by key.

    Returns:
        A fault for every section that params do not have.
    """
    settings = {section: value for section, value in profile.items() if section not in ENTRY_SECTIONS}
    params.update({section: value for section, value in profile.items() if section in ENTRY_SECTIONS})
    return _merge_settings(params, settings)


def _merge_settings(params: Any, settings: Any, at: str = "") -> list[str]:
    faults = []
    for key, value in settings.items():
        if isinstance(value, dict) and isinstance(params.get(key), dict):
            faults += _merge_settings(params[key], value, f"{at}{key}.")
        elif isinstance(value, dict) and at != METHODS:
            faults.append(f"{at}{key}: no such section in params.yaml")
        else:
            params[key] = value
    return faults


def _inputs(params: Any) -> Iterator[tuple[Any, str]]:
    """Entries of params that name a file or folder of the user's, and the key where they do."""
    for section, key in INPUTS:
        entries = params.get(section)
        for entry in entries.values() if isinstance(entries, dict) else ():
            value = entry.get(key) if isinstance(entry, dict) else None
            if isinstance(value, str) and (key != "architecture" or is_file(value)):
                yield entry, key


def _link(source: Path, into: Path, path: str) -> None:
    """Make `path` in a workspace a link to `source`; what an earlier profile has put there goes."""
    for parent in reversed(Path(path).parents):
        if (into / parent).is_symlink() and parent != Path():
            (into / parent).unlink()
    link = into / path
    target = os.path.relpath(source, link.parent.resolve())
    if link.is_symlink() and os.readlink(link) == target:  # noqa: PTH115, as written
        return
    if link.is_symlink() or link.is_file():
        link.unlink()
    elif link.exists():
        shutil.rmtree(link)  # a copy, as profiles made them before
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)


def uncommitted(path: Path) -> bool:
    """Whether a file differs from the last commit; without Git nothing is compared."""
    if shutil.which("git") is None:
        return False
    command = ["git", "status", "--porcelain", "--", path.name]
    return bool(subprocess.run(command, cwd=path.parent, capture_output=True, check=False).stdout.strip())


def committed(path: Path) -> bool:
    """Whether the last commit has a file; False without Git."""
    if shutil.which("git") is None:
        return False
    command = ["git", "cat-file", "-e", f"HEAD:./{path.name}"]
    return path.parent.is_dir() and subprocess.run(command, cwd=path.parent, capture_output=True).returncode == 0


def _refuse_to_lose_edits(profile: str) -> None:
    """Raise InputError if params.yaml differs from the last commit."""
    if uncommitted(PARAMS):
        raise InputError(
            f"params.yaml has edits that are not committed, and profile '{profile}' in its place would overwrite them. "
            "Commit them, drop them by `git checkout params.yaml`, or give the profile a workspace: "
            f"`python -m pipeline profile {profile} --into runs/{profile}`."
        )


def _mirror(source: Path, copy: Path) -> None:
    """Make a file or a folder of code like its source, but for Python's caches; files that are gone there go here.

    What is the same already is left alone: a run that has just started may read it.
    """
    if source.is_file():
        _copy_if_other(source, copy)
        return
    files = {path.relative_to(source) for path in source.rglob("*") if path.is_file() and not _is_cache(path)}
    for name in files:
        _copy_if_other(source / name, copy / name)
    folders = {parent for name in files for parent in name.parents}
    for path in [path for path in copy.rglob("*") if not _is_cache(path)]:
        name = path.relative_to(copy)
        if name not in folders and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif name not in files and path.is_file():
            path.unlink()


def _is_cache(path: Path) -> bool:
    return "__pycache__" in path.parts or path.suffix == ".tmp"


def _copy_if_other(source: Path, copy: Path) -> None:
    if copy.is_dir() and not copy.is_symlink():
        shutil.rmtree(copy)
    if not copy.is_file() or not filecmp.cmp(source, copy, shallow=False):
        copy.parent.mkdir(parents=True, exist_ok=True)
        temporary = copy.with_name(f".{copy.name}.tmp")
        shutil.copy(source, temporary)
        temporary.replace(copy)
