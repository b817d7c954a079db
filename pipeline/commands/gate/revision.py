"""Read the results that a Git revision, or the workspace, holds."""

import json
import subprocess
from pathlib import Path

from pydantic import ValidationError

from pipeline.results.result import VERSION
from pipeline.results.run import RUN, Run
from pipeline.store.errors import InputError
from pipeline.store.paths import Paths


def run_at(revision: str, root: Path = Path()) -> Run:
    """The committed results of a revision.

    Raises:
        InputError: no Git, no repository, no such revision, or no results there that this program reads.
    """
    file = Paths().report_metrics.as_posix()
    shown = _git(root, "show", f"{commit_of(revision, root)}:./{file}")
    if shown.returncode:
        raise InputError(
            f"'{revision}' has no {file}. Name a revision in which the results of a run were committed; "
            f"`git log --oneline -- {file}` lists them."
        )
    remedy = "Name a revision whose results this program wrote, or commit a new run there first."
    return _parsed(shown.stdout, f"{revision}:{file}", remedy)


def run_of_workspace(root: Path = Path()) -> Run:
    """The results in the workspace, committed or not.

    Raises:
        InputError: there are none, or another version of this program wrote them.
    """
    file = Paths(root).report_metrics
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{file} does not exist. Run `make repro` first, or name a revision with --of.") from None
    return _parsed(content, str(file), "Run `dvc repro` to make it anew.")


def commit_of(revision: str, root: Path = Path()) -> str:
    """The short hash of a revision's commit.

    Raises:
        InputError: no Git, no repository, or no such revision.
    """
    if (inside := _git(root, "rev-parse", "--git-dir")).returncode:
        reason = inside.stderr.decode(errors="replace").strip().splitlines()
        raise InputError(
            f"{root.resolve()} is no Git repository that can be read ({reason[0] if reason else 'git gives no reason'})"
            ". Run the command in a clone."
        )
    found = _git(root, "rev-parse", "--verify", "--quiet", "--short", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode:
        raise InputError(
            f"Git knows no revision '{revision}' here. Give a branch, a tag or a commit (`git branch --all` lists the "
            "branches). A shallow clone, as CI systems make, has few: `git fetch --unshallow` gets the others."
        )
    return found.stdout.decode().split()[-1]


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    except FileNotFoundError:
        raise InputError("The gate reads committed results through `git`, which is not installed.") from None


def _parsed(content: bytes, where: str, remedy: str) -> Run:
    """The results in the content of a metrics.json.

    Raises:
        InputError: the content is not JSON, of another version, or no results.
    """
    try:
        metrics = json.loads(content)
        version = metrics[RUN].get("version")
        if version != VERSION:
            raise InputError(f"{where} has version {version} of results, this program reads {VERSION}. {remedy}")
        return Run.from_metrics(metrics)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise InputError(
            f"{where} has results that this program cannot read: {place}: {fault['msg']}. {remedy}"
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError):  # not UTF-8, no JSON, or other JSON
        raise InputError(f"{where} is damaged: it is not the JSON of a run's results. {remedy}") from None
