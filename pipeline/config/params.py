"""The typed params.yaml; `loading.py` reads and checks the file."""

from typing import Annotated, Any, get_origin

from pydantic import Field

from pipeline.config import schema
from pipeline.config.schema import Name, Section


class Params(Section):
    """All params, or (from `slice`) those that a stage tracks."""

    run: schema.Run
    datasets: dict[Name, schema.Dataset]
    targets: dict[Name, schema.Target]
    sources: dict[Name, schema.Source]
    pretrained: dict[Name, schema.Pretrained]
    baselines: dict[Name, schema.Baseline]
    transfers: dict[Name, schema.Transfer]
    rescaled: dict[Name, schema.Rescaled]
    studies: dict[Name, schema.Study]
    adaptations: dict[Name, schema.Adaptation]
    questions: Annotated[dict[Name, schema.Question], Field(min_length=1)]
    pretraining: Section  # way -> its settings; `loading.py` types them by the registry of ways
    forecast: schema.Forecast
    head: schema.Head
    tune: schema.Tune
    scratch: schema.Scratch
    adapt: schema.Adapt
    verdict: schema.VerdictParams
    report: schema.ReportParams

    def at(self, key: str) -> Any:
        """Look up a dotted key, such as `head.epochs` or `targets.NAME`.

        Raises:
            AttributeError, KeyError: there is no such key.
        """
        value: Any = self
        for part in key.split("."):
            value = value[part] if isinstance(value, dict) else getattr(value, part)
        return value

    def chain_of(self, source: str) -> list[str]:
        """A source and those that it was initialised from, back to the entry of `sources`."""
        chain = [source]
        while chain[-1] in self.pretrained:
            chain.append(self.pretrained[chain[-1]].init)
        return chain

    def uses(self) -> list[tuple[str, str]]:
        """Pairs of a source and a target that it is transferred or adapted to, sorted, each once."""
        transferred = {(entry.source, entry.target) for entry in self.transfers.values()}
        return sorted(transferred | {(entry.source, entry.target) for entry in self.adaptations.values()})

    def slice(self, keys: tuple[str, ...]) -> "Params":
        """Keep only the given dotted keys, so that a stage cannot read a param that dvc.yaml does not track for it.

        Reading any other key raises AttributeError or KeyError.
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


# sections that map names to entries (the data and questions of a run); every other section holds settings
ENTRY_SECTIONS = tuple(
    section for section, field in Params.model_fields.items() if get_origin(field.annotation) is dict
)
