"""Controls: comparisons whose answer is known in advance. They test the instrument, not a transfer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.verdict.decision import Verdict


@dataclass(frozen=True)
class Rule:
    """What a control must show.

    Attributes:
        expected: the right outcome, in words. meaning: what a wrong one says of the run's other verdicts.
        told_by: what of a verdict the outcome is read from.
        shown: whether a verdict shows it; None where the verdict lacks the number to tell.
    """

    expected: str
    meaning: str
    told_by: Literal["label", "evidence"]
    shown: Callable[[Verdict], bool | None]


def _label(wanted: str) -> Callable[[Verdict], bool | None]:
    return lambda verdict: None if verdict.label is None else verdict.label == wanted


def _nothing_found(verdict: Verdict) -> bool | None:
    if verdict.p is None:  # trainings that predict the same show nothing; with any other gain nobody can tell
        return True if verdict.gain == 0 else None
    return verdict.evidence != "conclusive"


RULES = {
    "null": Rule(
        "nothing conclusive",
        "two trainings that differ in nothing but their seed were found to differ, so that chance may pass for a gain "
        "or a loss (by chance alone this happens in a share alpha of the runs: repeat it under another run.seed)",
        "evidence",
        _nothing_found,
    ),
    "planted_negative": Rule(
        "negative",
        "a source that knows nothing of use was found to help, so that a gain may come from something other than what "
        "the source knows",
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
    """Whether a control came out as it must; None where its verdict is undefined.

    Args:
        verdict: judged by its own p: controls stand outside Holm's adjustment, which would forgive a false alarm the
            more, the more transfers a run has.

    Raises:
        KeyError: an unknown control.
    """
    return RULES[control].shown(verdict)


def failures(judged: Mapping[str, tuple[str, Verdict]]) -> list[str]:
    """Name every control that did not hold. One whose outcome is undefined did not hold.

    Args:
        judged: name -> (control, its verdict).
    """
    return [name for name, (control, verdict) in judged.items() if not held(control, verdict)]


def why_failed(control: str, held: bool | None, found: Mapping[str, Any]) -> str:
    """What a control that did not hold must have shown, what it showed, and what that means, in plain words.

    Args:
        held: as told by the function of this name. found: `label`, `evidence` and `reasons` of the verdict.
    """
    rule = RULES[control]
    if held is None:
        return f"its outcome is undefined ({'; '.join(found['reasons']) or 'no reason was given'})"
    return f"expected {rule.expected}, found {found[rule.told_by]}: {rule.meaning}"


def by_sign_alone(control: str, evidence: str) -> bool:
    """Whether a control that held did so by the sign of its gain without conclusive evidence: it may be luck."""
    return RULES[control].told_by == "label" and evidence != "conclusive"
