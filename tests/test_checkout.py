"""A checkout with `core.autocrlf=true` leaves line ends alone, so that DVC finds no stage stale."""

import shutil
import subprocess
from pathlib import Path

import pytest

COPIED = ("pipeline", "params.yaml", "dvc.yaml", "dvc.lock", ".dvc/plots")


def git(*arguments: str, cwd: Path) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True)


def crlf_clone(repository: Path, tmp_path: Path, attributes: bool) -> Path:
    """A repository of this working tree's files, cloned as Git for Windows does by default."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    for name in COPIED:
        source, copy = repository / name, origin / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    if attributes:
        shutil.copy(repository / ".gitattributes", origin)
    (origin / "pixels.npy").write_bytes(b"one\ntwo\n")
    for arguments in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "-m", "files")):
        git(*arguments, cwd=origin)
    git("-c", "core.autocrlf=true", "clone", "--quiet", str(origin), str(clone), cwd=tmp_path)
    return clone


def with_carriage_returns(clone: Path) -> list[str]:
    files = (file for file in clone.rglob("*") if file.is_file() and ".git" not in file.relative_to(clone).parts)
    return [file.relative_to(clone).as_posix() for file in files if b"\r\n" in file.read_bytes()]


@pytest.mark.parametrize("attributes", [True, False])
def test_only_without_attributes_does_autocrlf_change_what_stages_depend_on(repository, tmp_path, attributes):
    changed = with_carriage_returns(crlf_clone(repository, tmp_path, attributes))
    assert bool(changed) is not attributes, changed
    if not attributes:  # the control: this clone does see such changes
        assert {"params.yaml", "dvc.yaml", "pipeline/cli.py", "pixels.npy"} <= set(changed)
