"""Load and validate params.yaml, reporting all faults in one message."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, create_model

from pipeline.config.names import as_text
from pipeline.config.params import ENTRY_SECTIONS, Params
from pipeline.config.references import reference_faults
from pipeline.config.schema import Section
from pipeline.registry.pretraining import PRETRAINING
from pipeline.store.errors import ParamsError
from pipeline.store.places import load
from pipeline.store.words import nearest, shown
from pipeline.store.yaml import read_yaml


def load_params(path: Path) -> Params:
    """Read and validate params.yaml.

    Raises:
        ParamsError: lists all faults: syntax, unknown keys, types, ranges, and undefined names.
    """
    return check_params(read_yaml(path), str(path))


def check_params(raw: Any, path: str = "params.yaml") -> Params:
    """Validate a parsed params.yaml.

    Raises:
        ParamsError: lists all faults.
    """
    if not isinstance(raw, dict):
        raise ParamsError([f"a mapping of sections was expected, received {shown(raw)}"], path)
    params, model = None, params_model()
    raw, faults = as_text(raw)
    try:
        # via JSON: only there does strict pydantic accept a list for a tuple
        params = model.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        faults += [_sentence(detail, model) for detail in error.errors(include_url=False)]
    faults += reference_faults(raw)
    if faults or params is None:
        raise ParamsError(faults, path)
    return params


def params_model() -> type[Params]:
    """`Params` whose `pretraining` has the typed settings of every registered method, each optional."""
    ways: dict[str, Any] = {way: (load(entry.settings), None) for way, entry in PRETRAINING.items()}
    return create_model("Params", __base__=Params, pretraining=(create_model("Ways", __base__=Section, **ways), ...))


def _sentence(detail: Any, params: type[Params]) -> str:
    """One pydantic error in one sentence, beginning with the dotted key."""
    location, kind, received = detail["loc"], detail["type"], detail["input"]
    key = ".".join(str(part) for part in location if part != "[key]")
    empty = f"; an empty section is written `{key}: {{}}`" if key in ENTRY_SECTIONS else ""
    if kind == "extra_forbidden":
        allowed = list(_model_at(params, location[:-1]).model_fields)
        return f"{key}: unknown key{nearest(str(location[-1]), allowed)}; allowed: {', '.join(allowed)}"
    if kind == "missing":
        return f"{key}: missing{empty}"
    if kind == "list_type":
        return f"{key}: a list was expected, such as [{shown(received)}]; received {shown(received)}"
    if kind == "string_type" and isinstance(received, bool | int | float):
        return f'{key}: a text was expected, received {shown(received)}; write it in quotes: "{json.dumps(received)}"'
    if received is None and kind in ("dict_type", "model_type", "model_attributes_type"):
        return f"{key}: has nothing below it{empty or ', which YAML reads as null; fill it in, or remove it'}"
    if location[-1] == "[key]":
        return f"{key}: a name has letters, digits, _ and -, the first and last no _ or -, and is at most 100 long"
    text = detail["msg"][0].lower() + detail["msg"][1:]
    return f"{key}: {text}; received {shown(received)}"


def _model_at(params: type[Params], location: tuple[Any, ...]) -> type[BaseModel]:
    """The innermost section on the path of an error."""
    model: type[BaseModel] = params
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:
            continue  # the name of an entry
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), model)
    return model
