"""The comparison of two arms on one target, and its verdicts."""

from dataclasses import dataclass

import pandas as pd

from pipeline.config.schema import VerdictParams
from pipeline.verdict.arms import Tested, aligned, at_budget
from pipeline.verdict.decision import Verdict, decide
from pipeline.verdict.metrics import Array
from pipeline.verdict.pairs import pair
from pipeline.verdict.spending import Arm, fold_budgets

AGAIN = "again"  # the name of an arm that is compared with another of its own name


@dataclass(frozen=True)
class Comparison:
    """Two sides on one target.

    Attributes:
        arms: of the judged side, in the order of their training; `arm` names the one that is judged.
        against: the reference arm, by name.
    """

    tested: Tested
    examples: pd.DataFrame
    arms: dict[str, Arm]
    arm: str
    against: dict[str, Arm]

    @property
    def other(self) -> str:
        """The name of the reference arm."""
        return next(iter(self.against))

    @property
    def all_arms(self) -> dict[str, Arm]:
        return self.arms | self.against

    @property
    def probabilities(self) -> dict[str, Array]:
        """Of all arms (n, k), in the order of `tested`."""
        return {name: arm.probabilities for name, arm in self.all_arms.items()}


def compare(
    tested: Tested, examples: pd.DataFrame, arms: dict[str, Arm], against: dict[str, Arm], judged: str
) -> Comparison:
    """Set the arm `judged` of one side against the last arm of the other; an arm of its name becomes AGAIN."""
    other, reference = list(against.items())[-1]
    named = {AGAIN if name == other else name: arm for name, arm in arms.items()}
    return Comparison(tested, examples, named, AGAIN if judged == other else judged, {other: reference})


def judge(tested: Tested, arm: Array, baseline: Array, settings: VerdictParams, level: float | None = None) -> Verdict:
    """The verdict on one arm over another, probabilities (n, k) in the order of `tested`.

    Args:
        level: of this look (`looks.nominal_level`); the settings' alpha if None.
    """
    columns = (tested.fold, tested.group, tested.repeat, tested.weights)
    pairs = pair(tested.labels, arm, baseline, *columns)
    return decide(pairs, settings.metric, alpha=settings.alpha, margin=settings.margin, level=level)


def verdicts(question: Comparison, settings: VerdictParams, level: float | None = None) -> dict[str, Verdict]:
    """The verdict on every arm of the judged side over the reference arm."""
    baseline = question.against[question.other].probabilities
    return {
        name: judge(question.tested, arm.probabilities, baseline, settings, level)
        for name, arm in question.arms.items()
    }


def at_equal_compute(question: Comparison, settings: VerdictParams, level: float | None = None) -> Verdict:
    """The verdict on the judged arm over the reference arm stopped at the same compute."""
    other = question.against[question.other]
    if other.trajectory is None:
        raise ValueError(f"arm {question.other} has no trajectory")
    within = at_budget(other.trajectory, fold_budgets(question.arms))
    reached = aligned(within, question.examples, question.tested)
    return judge(question.tested, question.arms[question.arm].probabilities, reached, settings, level)


def in_words(verdict: Verdict) -> str:
    """A verdict as one line for the log."""
    gain = "undefined" if verdict.gain is None else f"{verdict.gain:+.3f}"
    return f"{verdict.label}, {verdict.evidence}, gain {gain} in {verdict.metric}"
