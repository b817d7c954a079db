"""Read from dvc.yaml the params, deps and outs of every stage, and of every cell (a stage's instance for one entry).

dvc.yaml is the only declaration of a stage: DVC and the runner both read it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config.params import Params
from pipeline.store.errors import InputError, ParamsError
from pipeline.store.words import shown
from pipeline.store.yaml import read_yaml

FOREACH = re.compile(r"\$\{(\w+)\}")  # the section of params.yaml whose entries a stage is repeated for
PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
DEVICE = "run.device"


@dataclass(frozen=True)
class Stage:
    """One stage as dvc.yaml declares it, with `${key}` and `${item.field}` not filled in.

    Attributes:
        section: the section of params.yaml with one entry a cell; None for a stage of one cell.
        params: dotted keys of params.yaml.
        deps: files and folders, also of code.
        outs: files and folders, metrics included.
    """

    name: str
    section: str | None
    params: tuple[str, ...]
    deps: tuple[str, ...]
    outs: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One instance of a stage, with its own params, deps and outs; `name` is "" for a stage of one cell."""

    stage: str
    name: str
    params: tuple[str, ...]
    deps: tuple[str, ...]
    outs: tuple[str, ...]

    @property
    def uses_device(self) -> bool:
        """Whether the stage computes with Keras, on the device of the params."""
        return DEVICE in self.params


def read_stages(path: Path) -> dict[str, Stage]:
    """Read a dvc.yaml; stages in its order, by name.

    Raises:
        ParamsError: the file is absent or no YAML, or a stage is declared in a form that is not supported here.
    """
    content = read_yaml(path)
    declared = content.get("stages") if isinstance(content, dict) else None
    if not isinstance(declared, dict) or not declared:
        raise ParamsError(["stages: a mapping of stages was expected, as in the dvc.yaml of this project"], str(path))
    faults = [f"stages.{name}: {fault}" for name, body in declared.items() for fault in _faults(body)]
    if faults:
        raise ParamsError(faults, str(path))
    return {name: _stage(name, body) for name, body in declared.items()}


def find_cell(stages: Mapping[str, Stage], stage: str, name: str | None, params: Params) -> Cell:
    """Return the cell of a stage for an entry of params.yaml (None for a stage of one cell).

    Raises:
        InputError: no such stage, or no such entry in its section of params.yaml.
    """
    if stage not in stages:
        raise InputError(f"No stage '{stage}'. Stages: {', '.join(stages)}.")
    section = stages[stage].section
    if section is None:
        if name is not None:
            raise InputError(f"Stage '{stage}' takes no name, received '{name}'.")
        return _filled(stages[stage], "", {})
    entries = _entries(section, params)
    if name not in entries:
        raise InputError(
            f"Stage '{stage}' takes a name from `{section}` of params.yaml ({', '.join(entries)}), received {name!r}."
        )
    return _filled(stages[stage], name, entries[name])


def all_cells(stages: Mapping[str, Stage], params: Params) -> Iterator[Cell]:
    """Every cell of the run, in the order of dvc.yaml.

    Raises:
        InputError: a placeholder names a field that an entry does not have.
    """
    for stage in stages.values():
        entries = _entries(stage.section, params) if stage.section else {"": {}}
        for name, fields in entries.items():
            yield _filled(stage, name, fields)


# ---- reading ---------------------------------------------------------------------------------------------------------


def _faults(body: Any) -> Iterator[str]:
    """Faults of a stage's declaration: forms that DVC may support and this module does not."""
    if not isinstance(body, dict):
        yield f"a mapping was expected, received {shown(body)}"
        return
    if "matrix" in body or not FOREACH.fullmatch(str(body.get("foreach", "${section}"))):
        yield f"`foreach: ${{section}}` of params.yaml was expected, received {shown(body.get('foreach', 'matrix'))}"
    if any(not isinstance(key, str) for key in body.get("do", body).get("params", [])):
        yield "params: keys of params.yaml were expected, received another file's"


def _stage(name: str, body: dict[str, Any]) -> Stage:
    each = FOREACH.fullmatch(body.get("foreach", ""))
    fields = body.get("do", body)
    return Stage(
        name=name,
        section=each[1] if each else None,
        params=tuple(fields.get("params", [])),
        deps=_paths(fields.get("deps", [])),
        outs=_paths([*fields.get("outs", []), *fields.get("metrics", [])]),
    )


def _paths(items: list[Any]) -> tuple[str, ...]:
    """The paths of a list whose items are a path, or a mapping of one path to its options."""
    return tuple(item if isinstance(item, str) else next(iter(item)) for item in items)


# ---- filling in ------------------------------------------------------------------------------------------------------


def _entries(section: str, params: Params) -> dict[str, dict[str, Any]]:
    """The entries of a section with the fields that params.yaml gives them, without defaults, as DVC sees them.

    Raises:
        InputError: params have no such section.
    """
    if section not in Params.model_fields:
        raise InputError(f"dvc.yaml repeats a stage for `{section}`, which is no section of params.yaml.")
    return {name: entry.model_dump(exclude_unset=True) for name, entry in getattr(params, section).items()}


def _filled(stage: Stage, name: str, fields: Mapping[str, Any]) -> Cell:
    """A stage's cell for an entry.

    Raises:
        InputError: a placeholder is neither `${key}` nor a field that the entry has a text in.
    """
    values = {"key": name, **{f"item.{field}": value for field, value in fields.items()}}

    def value(match: re.Match[str]) -> str:
        found = values.get(match[1])
        if not isinstance(found, str):  # DVC refuses a field that is not set, and calls null "None"
            raise InputError(
                f"dvc.yaml: stage '{stage.name}' asks for {match[0]} of `{stage.section}.{name}` in params.yaml, which "
                f"is {shown(found)}; a text was expected. Set it there, or correct dvc.yaml."
            )
        return found

    def fill(templates: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(PLACEHOLDER.sub(value, template) for template in templates)

    return Cell(stage.name, name, fill(stage.params), fill(stage.deps), fill(stage.outs))
