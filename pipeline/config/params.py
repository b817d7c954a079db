"""The whole of params.yaml, typed; `loading.py` reads it."""

from typing import Annotated, Any, get_origin

from pydantic import Field

from pipeline.config.schema import (
    Adapt,
    Adaptation,
    Baseline,
    Dataset,
    Forecast,
    Head,
    Name,
    Pretrained,
    Question,
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
    transfers: dict[Name, Transfer] = Field(default_factory=dict)
    rescaled: dict[Name, Rescaled] = Field(default_factory=dict)
    studies: dict[Name, Study] = Field(default_factory=dict)
    adaptations: dict[Name, Adaptation] = Field(default_factory=dict)
    questions: Annotated[dict[Name, Question], Field(min_length=1)]
    pretraining: Section  # way -> its settings; `loading.py` types them by the registry of ways
    forecast: Forecast
    head: Head
    tune: Tune
    scratch: Scratch
    adapt: Adapt
    verdict: VerdictParams

    def at(self, key: str) -> Any:
        """The value at a dotted key, such as `head.epochs` or `targets.NAME`.

        Raises:
            AttributeError, KeyError: there is none.
        """
        value: Any = self
        for part in key.split("."):
            value = value[part] if isinstance(value, dict) else getattr(value, part)
        return value

    def slice(self, keys: tuple[str, ...]) -> "Params":
        """Keep only the given dotted keys; reading any other raises AttributeError or KeyError.

        So a stage cannot depend on a param that dvc.yaml does not track for it.
        """
        parts: dict[str, Any] = {}
        for key in keys:
            section, _, field = key.partition(".")
            if field:
                parts.setdefault(section, {})[field] = self.at(key)
            else:
                parts[section] = self.at(key)
        for section, part in parts.items():
            model = type(getattr(self, section))
            if isinstance(part, dict) and model is not dict:
                parts[section] = model.model_construct(**part)
        return Params.model_construct(**parts)


# the sections of entries by name: the data and the questions of a run; every other section holds settings
ENTRY_SECTIONS = tuple(
    section for section, field in Params.model_fields.items() if get_origin(field.annotation) is dict
)
