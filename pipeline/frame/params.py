"""params.yaml, typed: read once, checked whole, all faults in one message."""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.frame.errors import ParamsError
from pipeline.frame.lookup import nearest, shown
from pipeline.frame.references import reference_faults
from pipeline.frame.schema import (
    Adapt,
    Adaptation,
    Baseline,
    Dataset,
    Forecast,
    Head,
    Name,
    Null,
    Pretrained,
    Pretraining,
    Rescaled,
    Run,
    Scratch,
    Section,
    Source,
    Study,
    Target,
    Transfer,
    Tune,
    VerdictParams,
)


class Params(Section):
    """The whole of params.yaml, or (from `slice`) the part of it that a stage may see."""

    run: Run
    datasets: dict[Name, Dataset]
    targets: dict[Name, Target]
    sources: dict[Name, Source]
    pretrained: dict[Name, Pretrained] = Field(default_factory=dict)
    baselines: dict[Name, Baseline]
    transfers: Annotated[dict[Name, Transfer], Field(min_length=1)]
    rescaled: dict[Name, Rescaled] = Field(default_factory=dict)
    studies: dict[Name, Study] = Field(default_factory=dict)
    nulls: dict[Name, Null] = Field(default_factory=dict)
    adaptations: dict[Name, Adaptation] = Field(default_factory=dict)
    pretraining: Pretraining
    forecast: Forecast
    head: Head
    tune: Tune
    scratch: Scratch
    adapt: Adapt
    verdict: VerdictParams

    def slice(self, keys: tuple[str, ...]) -> "Params":
        """Keep only the given dotted keys; reading any other raises AttributeError or KeyError.

        So a stage cannot depend on a param that dvc.yaml does not track for it.
        """
        parts: dict[str, Any] = {}
        for key in keys:
            section, _, field = key.partition(".")
            value = getattr(self, section)
            if not field:
                parts[section] = value
            else:
                parts.setdefault(section, {})[field] = (
                    value[field] if isinstance(value, dict) else getattr(value, field)
                )
        for section, part in parts.items():
            model = type(getattr(self, section))
            if isinstance(part, dict) and model is not dict:
                parts[section] = model.model_construct(**part)
        return Params.model_construct(**parts)


def load_params(path: Path) -> Params:
    """Read and check params.yaml.

    Raises:
        ParamsError: with all faults: syntax, unknown keys, types, ranges, and names that lead nowhere.
    """
    return check_params(read_yaml(path), str(path))


def read_yaml(path: Path) -> Any:
    """Read YAML 1.2 as DVC does (`1e-3` is a number there; a duplicate key is a fault).

    Raises:
        ParamsError: the file is absent, cannot be read, or is no YAML.
    """
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(["the file does not exist; run the command in the folder of dvc.yaml"], str(path)) from None
    except OSError as error:  # a folder, or no right to read it
        reason = (error.strerror or type(error).__name__).lower()
        raise ParamsError([f"cannot be read: {reason}; a file that you may read is needed there"], str(path)) from None
    except MarkedYAMLError as error:
        raise ParamsError([_syntax(error)], str(path)) from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError([" ".join(str(error).split())], str(path)) from None


def check_params(raw: Any, path: str = "params.yaml") -> Params:
    """Check a parsed params.yaml and type it.

    Raises:
        ParamsError: with all faults.
    """
    if not isinstance(raw, dict):
        raise ParamsError([f"a mapping of sections was expected, received {shown(raw)}"], path)
    faults, params = [], None
    try:
        # through JSON, since strict pydantic takes a list for a tuple only there
        params = Params.model_validate_json(json.dumps(raw, default=str))
    except ValidationError as error:
        faults = [_sentence(detail) for detail in error.errors(include_url=False)]
    except TypeError as error:  # `? [a, b]` is a key in YAML
        raise ParamsError([f"a key is no text: {error}"], path) from None
    faults += reference_faults(raw)
    if faults or params is None:
        raise ParamsError(faults, path)
    return params


# ---- one fault, one sentence ----------------------------------------------------------------------------------------


def _syntax(error: MarkedYAMLError) -> str:
    """What is no YAML, where, and what it usually is."""
    mark = error.problem_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    if isinstance(error, DuplicateKeyError):
        key = error.problem.partition(" with value ")[0]
        return f"{where}{key}; add its entries to the section that is there already"
    return f"{where}{error.problem}; a key takes a colon and a space, what belongs to it stands further to the right"


def _sentence(detail: Any) -> str:
    location, kind = detail["loc"], detail["type"]
    key = ".".join(str(part) for part in location if part != "[key]")
    if kind == "extra_forbidden":
        allowed = list(_model_at(location[:-1]).model_fields)
        return f"{key}: unknown key{nearest(str(location[-1]), allowed)}; allowed: {', '.join(allowed)}"
    if kind == "missing":
        return f"{key}: missing"
    if kind == "list_type":
        return f"{key}: a list was expected, such as [{shown(detail['input'])}]; received {shown(detail['input'])}"
    text = detail["msg"][0].lower() + detail["msg"][1:]
    return f"{key}: {text}; received {shown(detail['input'])}"


def _model_at(location: tuple[Any, ...]) -> type[BaseModel]:
    """Follow a fault's location down to the section that it lies in."""
    model: type[BaseModel] = Params
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:
            continue  # the name of an entry: its section is known already
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), model)
    return model
