"""Controls: comparisons whose answer is known in advance. They validate the pipeline itself, not a transfer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.verdict.decision import Verdict


@dataclass(frozen=True)
class Rule:
    """The expected outcome of a control.

    Attributes:
        expected: the outcome in words. meaning: what a failure implies for the run's other verdicts.
        judged_by: the field of the verdict that shows the outcome.
        shown: whether a verdict has the expected outcome; None where the verdict lacks the number to decide.
    """

    expected: str
    meaning: str
    judged_by: Literal["label", "evidence"]
    shown: Callable[[Verdict], bool | None]


def _label(wanted: str) -> Callable[[Verdict], bool | None]:
    return lambda verdict: None if verdict.label is None else verdict.label == wanted


def _nothing_found(verdict: Verdict) -> bool | None:
    if verdict.p is None:  # identical predictions show no difference; any other gain without p is undecided
        return True if verdict.gain == 0 else None
    return verdict.evidence != "conclusive"


RULES = {
    "null": Rule(
        "nothing conclusive",
        "two trainings that differ only in their seed were found to differ, so that chance may pass for a gain "
        "or a loss (by chance alone this happens in a share alpha of the runs: repeat it under another run.seed)",
        "evidence",
        _nothing_found,
    ),
    "planted_negative": Rule(
        "negative",
        "a source that holds no useful knowledge was found to help, so that a gain may come from something other than "
        "what the source learnt",
        "label",
        _label("negative"),
    ),
    "planted_positive": Rule(
        "positive",
        "a source that knows the task was not found to help, so that a true gain may be missed",
        "label",
        _label("positive"),
    ),
}


def held(control: str, verdict: Verdict) -> bool | None:
    """Whether a control has its expected outcome; None where its verdict is undefined.

    Args:
        verdict: with its unadjusted p: Holm's adjustment over many transfers would hide a false alarm.

    Raises:
        KeyError: an unknown control.
    """
    return RULES[control].shown(verdict)


def failures(judged: Mapping[str, tuple[str, Verdict]]) -> list[str]:
    """Name every control that failed or whose outcome is undefined.

    Args:
        judged: name -> (control, its verdict).
    """
    return [name for name, (control, verdict) in judged.items() if not held(control, verdict)]


def why_failed(control: str, held: bool | None, found: Mapping[str, Any]) -> str:
    """Explain a failed control: the expected outcome, the observed one, and what follows from it.

    Args:
        held: the result of the function of this name. found: `label`, `evidence` and `reasons` of the verdict.
    """
    rule = RULES[control]
    if held is None:
        return f"its outcome is undefined ({'; '.join(found['reasons']) or 'no reason was given'})"
    return f"expected {rule.expected}, found {found[rule.judged_by]}: {rule.meaning}"


def by_sign_alone(control: str, evidence: str) -> bool:
    """Whether a control held by the sign of its gain without conclusive evidence, hence perhaps by chance."""
    return RULES[control].judged_by == "label" and evidence != "conclusive"
