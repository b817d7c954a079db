"""Profiles: files of differences to params.yaml, for smaller and larger runs of the same code."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.config.loading import check_params
from pipeline.store.errors import InputError, ParamsError
from pipeline.store.files import replacing, write_text
from pipeline.store.yaml import read_yaml

FOLDER = Path("profiles")
COPIED = ("dvc.yaml", ".dvcignore", ".dvc/plots", "pipeline", "data/raw")  # what a run needs beside its params.yaml
OPTIONAL = ("models/raw",)  # .keras files of the user's
# the sections whose values are entries by name: a profile may add one to them, and remove one by `name: null`
ENTRIES = (
    "datasets",
    "targets",
    "sources",
    "pretrained",
    "baselines",
    "transfers",
    "rescaled",
    "studies",
    "nulls",
    "adaptations",
)


def apply_profile(name: str, into: Path | None) -> None:
    """Write params.yaml with a profile's differences: in place, or into a DVC workspace of its own at `into`.

    A workspace keeps its cache and its outs from one run to the next, and leaves those of this folder alone.

    Raises:
        InputError: there is no such profile, or what results is no valid params.yaml.
    """
    profiles = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    if name not in profiles:
        raise InputError(f"No profile '{name}' in {FOLDER}/. There is {', '.join(profiles)}.")
    if into is None:
        write_params(name, Path("params.yaml"))
        return
    into.mkdir(parents=True, exist_ok=True)
    if not (into / ".dvc" / "config").exists():
        subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=into, check=True)
        shutil.copy(Path(".dvc/config"), into / ".dvc" / "config")
        write_text(into / ".dvc" / "config.local", "[core]\n    no_scm = true\n    autostage = false\n")
    for item in (*COPIED, *(optional for optional in OPTIONAL if Path(optional).exists())):
        _mirror(Path(item), into / item)
    write_params(name, into / "params.yaml")


def write_params(profile: str, path: Path) -> None:
    """Write this folder's params.yaml with the profile's differences to `path`; comments stay.

    Raises:
        ParamsError: the differences name what does not exist, or what results is no valid params.yaml.
    """
    yaml = YAML()
    yaml.width = 1000
    params = yaml.load(Path("params.yaml").read_text(encoding="utf-8"))
    source = FOLDER / f"{profile}.yaml"
    faults = merge(params, read_yaml(source) or {})
    if faults:
        raise ParamsError(faults, str(source))
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
        file.flush()
        check_params(read_yaml(temporary), f"params.yaml with {source}")


def merge(params: Any, differences: Any, at: str = "") -> list[str]:
    """Put differences into params, in place.

    Returns:
        A fault for every section that params do not have, and for every entry to be removed that is not there.
    """
    faults, entries = [], at.removesuffix(".") in ENTRIES
    for key, value in differences.items():
        where = f"{at}{key}"
        if isinstance(value, dict) and isinstance(params.get(key), dict):
            faults += merge(params[key], value, f"{where}.")
        elif entries and value is None:
            if params.pop(key, None) is None:
                faults.append(f"{where}: no such entry in params.yaml to remove; there is {', '.join(params)}")
        elif entries and isinstance(value, dict):
            params[key] = value
        elif isinstance(value, dict):
            faults.append(f"{where}: no such section in params.yaml")
        else:
            params[key] = value
    return faults


def _mirror(source: Path, copy: Path) -> None:
    """Copy a file or a folder of code, leaving out what Python makes; what is gone at the source goes in the copy."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    if source.is_file():
        shutil.copy(source, copy)
        return
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "*.tmp"))
