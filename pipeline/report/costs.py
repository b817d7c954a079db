"""Clocks of the steps that questions rest on: reports/cost.json."""

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.config.params import Params
from pipeline.config.schema import Question

Step = tuple[str, str]  # a stage, and the entry that it ran for
TRANSFER_STAGES = ("extract", "forecast", "head", "tune")


def steps(params: Params, question: Question) -> dict[str, Step]:
    """The steps that a question rests on: name of the step -> (stage, entry)."""
    kind, name = question.arm.split("/")
    against, other = question.against.split("/")
    found: dict[str, Step] = {}
    if kind == "transfers":
        found |= _source(params, params.transfers[name].source)
        found |= {stage: (stage, name) for stage in TRANSFER_STAGES}
    elif kind == "adaptations":
        found |= {**_source(params, params.adaptations[name].source), "adapt": ("adapt", name)}
    elif kind == "baselines":
        found["again"] = ("scratch", name)
    elif kind == "rescaled":
        found["rescale"] = ("rescale", name)
    if against == "baselines":
        found["scratch"] = ("scratch", other)
    elif against == "rescaled":
        found["rescale"] = ("rescale", other)
    return found


def _source(params: Params, name: str) -> dict[str, Step]:
    stage = "pretrain" if name in params.pretrained else "source"
    return {stage: (stage, name)}


def costs(params: Params, clock: Callable[[str, str], Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The content of cost.json: for every question the clock of each step, and its flag `control` if it is one.

    Args:
        clock: reads the clock of a stage and an entry.
    """
    return {
        name: {step: clock(*cell) for step, cell in steps(params, question).items()}
        | ({"control": question.control} if question.control else {})
        for name, question in params.questions.items()
    }
