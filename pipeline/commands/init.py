"""`python -m pipeline init PATH`: from a folder or table of images to a params.yaml that asks about them.

What was found and what would be written is shown first; then it is asked, and only then written.
"""

import os
import shlex
import shutil
import subprocess
import sys
import textwrap
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.commands.entries import added, entries, free_name, replaced
from pipeline.commands.minutes import estimate
from pipeline.commands.profile import committed, uncommitted
from pipeline.commands.reading import hint, read_images
from pipeline.commands.suggest import Suggestion, suggest
from pipeline.commands.survey import LINE, Survey, describe, survey
from pipeline.config.loading import check_params, load_params
from pipeline.config.params import ENTRY_SECTIONS, Params
from pipeline.store.errors import InputError
from pipeline.store.files import replacing, write_json, write_text
from pipeline.store.paths import Paths
from pipeline.store.yaml import read_yaml

INDENT = "    "


@dataclass(frozen=True)
class Plan:
    """What will be written.

    Attributes:
        params: the text of params.yaml.
        table: path and text of a table of groups, or None.
        dvc: the folder that `dvc add` puts under DVC, relative; None where there is nothing to add.
    """

    name: str
    params: str
    table: tuple[Path, str] | None
    dvc: str | None


def init(asked: Namespace, root: Path = Path()) -> str:
    """Look at the images, say what was found and what would be written, ask, write; returns what to do next.

    Raises:
        InputError: the images cannot be used as they are, or something would be lost.
    """
    paths = Paths(root)
    if not asked.dry_run:
        _refuse_to_lose_edits(paths.params)
    raw_params, present = read_yaml(paths.params), load_params(paths.params)
    place = Path(asked.path).expanduser()
    name = free_name(asked.name or place.resolve().stem, raw_params if asked.keep_demo else {})
    dataset, raw, table = read_images(asked, place, paths.root)
    found = survey(raw, dataset)
    print(f"\nFound in {asked.path}:\n{describe(found, hint(found, dataset, place))}\n", flush=True)
    suggestion = suggest(found, dataset, name, present, asked.augmentation)
    text = paths.params.read_text(encoding="utf-8")
    write = added if asked.keep_demo else replaced
    new = entries(name, suggestion, found.label, raw_params if asked.keep_demo else {})
    plan = Plan(name, write(text, suggestion.run, new), table, _to_add(dataset.raw, paths.root, table is not None))
    params = _checked(plan.params, paths)
    print(_say(plan, suggestion, found, paths), flush=True)
    took = None
    if not asked.no_measure:
        print("\nmeasuring the speed of this machine (about a minute) ...", flush=True)
        own = params if not asked.keep_demo else _alone(params, plan, new)
        took = estimate(own, suggestion, len(found.images), found.seconds)
        print(f"{'The new entries' if asked.keep_demo else 'The run'} will take {took.sentence()}.", flush=True)
    if asked.dry_run:
        return "\nNothing was written (--dry-run)."
    if not _agreed(asked.yes):
        return "\nNothing was written."
    written = _write(plan, paths)
    if took:
        write_json(paths.estimate, took.work.cells)
    return written


# ---- what will be written --------------------------------------------------------------------------------------------


def _to_add(raw: str, root: Path, changed: bool) -> str | None:
    """The folder to put under DVC: inside the clone, not tracked by Git, new to DVC or changed by `init`."""
    if Path(raw).is_absolute() or _tracked(raw, root):
        return None
    return raw if changed or not (root / f"{raw}.dvc").exists() else None


def _tracked(raw: str, root: Path) -> bool:
    if shutil.which("git") is None:
        return False
    done = subprocess.run(["git", "ls-files", "--", raw], cwd=root, capture_output=True, check=False)
    return bool(done.stdout.strip())


def _checked(text: str, paths: Paths) -> Params:
    """The new params, validated before anything is written."""
    from ruamel.yaml import YAML

    return check_params(YAML(typ="safe", pure=True).load(text), str(paths.params))


def _alone(params: Params, plan: Plan, new: dict[str, str]) -> Params:
    """The params with the new entries only, for the estimate."""
    from ruamel.yaml import YAML

    text = "".join(f"{section}:\n{content}" for section, content in new.items() if content)
    names = YAML(typ="safe", pure=True).load(text)
    kept: dict[str, Any] = {}
    for section in ENTRY_SECTIONS:
        there = getattr(params, section)
        used = set(names.get(section, {})) | ({"imagenet", "random"} if section == "sources" else set())
        kept[section] = {name: entry for name, entry in there.items() if name in used}
    return params.model_copy(update=kept)


def _say(plan: Plan, suggestion: Suggestion, found: Survey, paths: Paths) -> str:
    run = ", ".join(f"{key} {value}" for key, value in suggestion.run.items())
    trainings = suggestion.run["folds"] * suggestion.run["repeats"]
    lines = [
        "Will be written:",
        f"  {paths.params}: dataset and target '{plan.name}', run: {run}",
        f"    question: imagenet-to-{plan.name}, EfficientNet-Lite0 from ImageNet against one from scratch",
        f"    controls: scratch-again (null){', planted-negative' if suggestion.pooled else ''}; baseline of another "
        f"size: a ResNet-8; {trainings} trainings an arm",
    ]
    if suggestion.run["augmentation"] == "mirror":
        lines.append("    augmentation: mirror; --augmentation dihedral for images without an up, none for writing")
    lines.append(
        f"    other sources: ranked by `dvc repro split@{plan.name}` and `python -m pipeline shortlist {plan.name}`"
    )
    lines += [textwrap.fill(note, LINE, initial_indent=INDENT, subsequent_indent=INDENT) for note in suggestion.notes]
    if plan.table:
        lines.append(f"  {plan.table[0]}: {len(found.images):,} rows (path, label, group)")
    lines.append(f"  {_says_dvc(suggestion.dataset.raw, plan.dvc)}")
    return "\n".join(lines)


def _says_dvc(raw: str, dvc: str | None) -> str:
    if dvc:
        return f"{dvc}.dvc: `dvc add {dvc}` copies the images into DVC's cache and keeps them out of Git"
    where = "stay where they are" if Path(raw).is_absolute() else "are under DVC or in Git already"
    return f"the images {where} ({raw}); nothing is copied"


# ---- writing ---------------------------------------------------------------------------------------------------------


def _refuse_to_lose_edits(params: Path) -> None:
    if uncommitted(params):
        raise InputError(
            f"{params} has edits that are not committed, and init would write over them. Commit them, drop them by "
            f"`git checkout {params}`, or look without writing: --dry-run."
        )


def _agreed(yes: bool) -> bool:
    """Whether the user wants it written.

    Raises:
        InputError: nobody can be asked.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise InputError("Nothing was written: standard input is no terminal. Add --yes to write what is shown above.")
    try:
        return input("\nWrite this? [y/N] ").strip().casefold() in ("y", "yes")
    except EOFError:
        return False


def _write(plan: Plan, paths: Paths) -> str:
    """Write the table, put the images under DVC, and write params.yaml last."""
    undo = _undo(plan, paths)
    if plan.table:
        write_text(*plan.table)
    staged = [os.fspath(paths.params)]
    if plan.dvc:
        command = [sys.executable, "-m", "dvc", "add", "--quiet", plan.dvc]
        done = subprocess.run(command, cwd=paths.root, capture_output=True, text=True, check=False)
        if done.returncode:
            fault = " ".join((done.stderr or done.stdout).split())[-400:]
            raise InputError(f"`dvc add {plan.dvc}` failed, and params.yaml is as it was: {fault}")
        staged += _of_dvc(plan.dvc)
    with replacing(paths.params) as temporary:
        temporary.write_text(plan.params, encoding="utf-8")
    return (
        f"\nWritten. Now `make repro`. To keep it: `git add {shlex.join(staged)}` and `git commit -m 'My images'`; "
        f"to undo it: `{undo}`."
    )


def _of_dvc(folder: str) -> list[str]:
    """The files that `dvc add` writes and stages for a folder."""
    return [f"{folder}.dvc", os.fspath(Path(folder).parent / ".gitignore")]


def _undo(plan: Plan, paths: Paths) -> str:
    """The command that takes back all that `_write` is about to write; the images stay where they are."""
    commands = [["git", "checkout", os.fspath(paths.params)]]
    if plan.dvc and committed(paths.root / f"{plan.dvc}.dvc"):
        commands = [["git", "checkout", "HEAD", os.fspath(paths.params), f"{plan.dvc}.dvc"]]
    elif plan.dvc:
        commands += [["dvc", "remove", f"{plan.dvc}.dvc"], ["git", "reset", "--quiet", "--", *_of_dvc(plan.dvc)]]
    if plan.table and not plan.table[0].exists():
        commands.append(["rm", os.fspath(plan.table[0])])
    return " && ".join(map(shlex.join, commands))
