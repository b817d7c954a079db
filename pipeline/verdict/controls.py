"""Controls: comparisons whose answer is known in advance. They test the instrument, not a transfer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline.verdict.decision import Verdict


@dataclass(frozen=True)
class Rule:
    """What a control must show.

    Attributes:
        expected: the right outcome, in words. meaning: what a wrong one says of the run's other verdicts.
        shown: whether a verdict shows it; None where the verdict lacks the number to tell.
    """

    expected: str
    meaning: str
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
        _nothing_found,
    ),
    "planted_negative": Rule(
        "negative",
        "a source that knows nothing of use was found to help, so that a gain may come from something other than what "
        "the source knows",
        _label("negative"),
    ),
    "planted_positive": Rule(
        "positive",
        "a source that knows the task was not found to help, so that a true gain may be missed",
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


def failures(judged: Mapping[str, tuple[str, Verdict]]) -> dict[str, str]:
    """Name every control that did not hold, with the reason in plain words. One that is undefined did not hold.

    Args:
        judged: name -> (control, its verdict).
    """
    return {name: _why(control, verdict) for name, (control, verdict) in judged.items() if not held(control, verdict)}


def _why(control: str, verdict: Verdict) -> str:
    rule = RULES[control]
    if held(control, verdict) is None:
        return f"its outcome is undefined ({'; '.join(verdict.reasons) or 'no reason was given'})"
    found = verdict.evidence if control == "null" else verdict.label
    return f"expected {rule.expected}, found {found}: {rule.meaning}"
