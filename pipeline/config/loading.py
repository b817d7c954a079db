"""Reading params.yaml: once, checked whole, all faults in one message."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, create_model

from pipeline.config.params import Params
from pipeline.config.references import reference_faults
from pipeline.config.schema import Section
from pipeline.registry.pretraining import PRETRAINING
from pipeline.store.errors import ParamsError
from pipeline.store.places import load
from pipeline.store.words import nearest, shown
from pipeline.store.yaml import read_yaml


def load_params(path: Path) -> Params:
    """Read and check params.yaml.

    Raises:
        ParamsError: with all faults: syntax, unknown keys, types, ranges, and names that lead nowhere.
    """
    return check_params(read_yaml(path), str(path))


def check_params(raw: Any, path: str = "params.yaml") -> Params:
    """Check a parsed params.yaml and type it.

    Raises:
        ParamsError: with all faults.
    """
    if not isinstance(raw, dict):
        raise ParamsError([f"a mapping of sections was expected, received {shown(raw)}"], path)
    faults, params, model = [], None, params_model()
    try:
        # through JSON, since strict pydantic takes a list for a tuple only there
        params = model.model_validate_json(json.dumps(raw, default=str))
    except ValidationError as error:
        faults = [_sentence(detail, model) for detail in error.errors(include_url=False)]
    except TypeError as error:  # `? [a, b]` is a key in YAML
        raise ParamsError([f"a key is no text: {error}"], path) from None
    faults += reference_faults(raw)
    if faults or params is None:
        raise ParamsError(faults, path)
    return params


def params_model() -> type[Params]:
    """`Params` with the settings of every registered way of pretraining; a way that no source learns by needs none."""
    ways: dict[str, Any] = {way: (load(entry.settings), None) for way, entry in PRETRAINING.items()}
    return create_model("Params", __base__=Params, pretraining=(create_model("Ways", __base__=Section, **ways), ...))


# ---- one fault, one sentence ----------------------------------------------------------------------------------------


def _sentence(detail: Any, params: type[Params]) -> str:
    location, kind = detail["loc"], detail["type"]
    key = ".".join(str(part) for part in location if part != "[key]")
    if kind == "extra_forbidden":
        allowed = list(_model_at(params, location[:-1]).model_fields)
        return f"{key}: unknown key{nearest(str(location[-1]), allowed)}; allowed: {', '.join(allowed)}"
    if kind == "missing":
        return f"{key}: missing"
    if kind == "list_type":
        return f"{key}: a list was expected, such as [{shown(detail['input'])}]; received {shown(detail['input'])}"
    text = detail["msg"][0].lower() + detail["msg"][1:]
    return f"{key}: {text}; received {shown(detail['input'])}"


def _model_at(params: type[Params], location: tuple[Any, ...]) -> type[BaseModel]:
    """Follow a fault's location down to the section that it lies in."""
    model: type[BaseModel] = params
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:
            continue  # the name of an entry: its section is known already
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), model)
    return model
