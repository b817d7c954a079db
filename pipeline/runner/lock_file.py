"""Write the entry of a stage to dvc.lock: the bytes that DVC's `Stage.dump` leaves, in a fraction of its time.

DVC reads and writes the whole file with a YAML parser that keeps comments. For a run of fifty cells that is a second
after every cell, in which no other may begin or end. Here the text of the entry takes the place of the old one.
"""

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.store.files import write_text
from pipeline.store.paths import Paths

HEAD = "schema: '2.0'\nstages:\n"
ENTRY = re.compile(r"(?m)^(?=  \S)")  # where an entry of dvc.lock begins
# a key beside `stages`, a comment, a line end of Windows, no UTF-8; an alias, whose number is of the whole file
ELSEWHERE = re.compile(r"(?m)^(?:[^ \n]|  #)|\r|\ufffd|[&*]id\d")


def locked_stages(file: Path) -> dict[str, Any]:
    """The entries of dvc.lock, name -> content; none where it is absent or damaged, of which DVC tells.

    By the parser in C, five times as fast as that of `read_yaml`, which refuses a user's faults in better words.
    """
    try:
        stages = YAML(typ="safe").load(file.read_bytes())["stages"]
        return dict(stages)
    except (OSError, YAMLError, ValueError, KeyError, TypeError):
        return {}


def record(stage: Any, paths: Paths) -> None:
    """Write the entry of a stage of DVC that has run; the caller holds DVC's lock."""
    from dvc.stage.serialize import to_lockfile

    text = paths.dvc_lock.read_bytes().decode("utf-8", errors="replace") if paths.dvc_lock.exists() else HEAD
    of_this_file = Path(stage.path).samefile(paths.dvc_yaml)  # not of `dvc add`, nor of a dvc.yaml in a folder below
    changed = with_entry(text, to_lockfile(stage)) if of_this_file else None
    if changed is None:
        stage.dump(update_pipeline=False)
    elif changed != text:
        write_text(paths.dvc_lock, changed)
        stage.repo.scm_context.track_file(paths.dvc_lock.name)


def with_entry(text: str, entry: dict[str, Any]) -> str | None:
    """The text of a dvc.lock with an entry, at its old place or at the end; None where it is not as DVC writes it.

    Args:
        entry: one name and its content.
    """
    from dvc.utils.serialize import dumps_yaml

    if not text.startswith(HEAD) or not text.endswith("\n") or ELSEWHERE.search(text, len(HEAD)):
        return None
    own = dumps_yaml({"stages": entry}).removeprefix("stages:\n")
    if ELSEWHERE.search(own):
        return None
    key = own[: own.index("\n") + 1]
    entries = ENTRY.split(text[len(HEAD) :])
    places = [number for number, old in enumerate(entries) if old.startswith(key)] or [len(entries)]
    entries[places[0] : places[0] + 1] = [own]
    return HEAD + "".join(entries)
