"""What differs between the results of two runs, and which of the differences the gate refuses.

Only what a run established can be lost: a conclusive or equivalent reading, a control that held, the quality of what
a verdict recommends. The sign of an inconclusive gain is noise, and no change of it is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from pipeline.results.result import Result
from pipeline.results.run import Run, RunFacts

Rule = Literal["control", "flipped", "lost", "quality"]
RULES: Final[dict[Rule, str]] = {
    "control": "a control that held does not hold any more, is gone, or a new one failed",
    "flipped": "a conclusive label has the other sign",
    "lost": "a conclusive or equivalent reading became weaker, or its question is gone",
    "quality": "the arm that the verdict recommends is worse than the one recommended before, beyond the tolerance",
}
STRENGTH = {"inconclusive": 0, "equivalent": 1, "conclusive": 2}
SETTINGS = ("metric", "alpha", "margin", "looks", "protocol", "folds", "repeats", "image_size")
ASKED = ("target", "arm", "against", "source", "baseline", "again", "setting", "part_of", "control")
ROUNDING = 1e-9  # 0.80 - 0.77 is no more than 0.03
WHOLE_RUN = "run"  # no name of a question: metrics.json has it for itself


@dataclass(frozen=True)
class Change:
    """One difference. `rule`: the rule by which it is refused; None where it is only told."""

    question: str
    text: str
    rule: Rule | None = None


def compare(before: Run, after: Run, tolerance: float | None = None) -> list[Change]:
    """All differences that matter, those of the whole run first, then by question in the order of `before`.

    Args:
        tolerance: the largest drop of a recommended arm's quality that is allowed, in units of the metric of `before`;
            None: the margin of `before`, the smallest difference that its user said to matter.
    """
    limit = before.facts.margin if tolerance is None else tolerance
    found = [Change(WHOLE_RUN, text) for text in _settings(before.facts, after.facts)]
    for name, old in before.results.items():
        if name in after.results:
            found += _of_question(name, old, after.results[name], before.facts.metric, limit)
        else:
            found.append(_removed(name, old))
    for name, new in after.results.items():
        if name not in before.results:
            found.append(_added(name, new))
    return found


def refused(changes: list[Change]) -> list[Change]:
    """The changes that the gate refuses."""
    return [change for change in changes if change.rule is not None]


def reading(result: Result) -> str:
    """Evidence and label in words, such as `conclusive positive`."""
    return f"{result.evidence} {result.label or 'without a label'}"


def recommended(result: Result) -> str | None:
    """The arm that the sign of the gain recommends; None where the gain is undefined."""
    if result.label is None:
        return None
    return result.arm if result.label == "positive" else result.against


def quality(result: Result, metric: str) -> float | None:
    """A metric of the recommended arm (more is better for all that can decide); None where it is undefined."""
    arm = recommended(result)
    return None if arm is None else result.arms.get(arm, {}).get(metric)


# ---- one question ----------------------------------------------------------------------------------------------------


def _of_question(name: str, old: Result, new: Result, metric: str, limit: float) -> Iterator[Change]:
    if text := _asked_otherwise(old, new):
        yield Change(name, text)
    if failure := _control(name, old, new):
        yield failure
    elif weaker := _evidence(name, old, new):
        yield weaker
    if worse := _quality(name, old, new, metric, limit):
        yield worse


def _control(name: str, old: Result, new: Result) -> Change | None:
    """A control that held and does not, or that fails where it was not known to fail."""
    if _held(new) is False:
        text = f"control {new.control} failed: {reading(new)}"
        return Change(name, f"{text}, as before") if _held(old) is False else Change(name, text, "control")
    if _held(old) and not new.control:
        return Change(name, f"was control {old.control}, which held, and is no control any more", "control")
    if _held(old) and not _held(new):
        return Change(name, f"control {new.control} held, and can no longer be decided", "control")
    return None


def _held(result: Result) -> bool | None:
    """Whether a control has its expected outcome; None where it is undecided, and where the question is no control."""
    return result.held if result.control else None


def _evidence(name: str, old: Result, new: Result) -> Change | None:
    if old.control and not old.held:  # it established nothing
        return None
    text = f"{reading(old)} -> {reading(new)}"
    if old.evidence == "conclusive" and new.label not in (old.label, None):
        return Change(name, text, "flipped")
    if STRENGTH[new.evidence] < STRENGTH[old.evidence]:
        return Change(name, text, "lost")
    if old.evidence == "equivalent" and _harmful(new):
        return Change(name, f"{text}, a loss beyond the margin is not ruled out", "lost")
    return Change(name, text) if new.evidence != old.evidence else None


def _harmful(result: Result) -> bool:
    """Whether a gain is conclusively negative, and not within the margin."""
    return result.evidence == "conclusive" and result.label == "negative" and not result.not_worse


def _quality(name: str, old: Result, new: Result, metric: str, limit: float) -> Change | None:
    """The drop from what a reader would have used before to what the reader would use now."""
    if old.control or new.control or old.part_of or new.part_of:  # nobody uses their networks
        return None
    if old.target != new.target:  # a quality on other images or labels is neither better nor worse
        return None
    was, now = quality(old, metric), quality(new, metric)
    if was is None:
        return None
    arms = f"{metric} of the recommended arm: {recommended(old)} {was:.3f}"
    if now is None:
        return Change(name, f"{arms} -> undefined", "quality")
    if was - now <= limit + ROUNDING:
        return None
    return Change(name, f"{arms} -> {recommended(new)} {now:.3f}, more than {limit:g} lower", "quality")


def _removed(name: str, old: Result) -> Change:
    if old.control:
        return Change(name, f"removed; was control {old.control}", "control" if _held(old) else None)
    return Change(name, f"removed; was {reading(old)}", "lost" if STRENGTH[old.evidence] else None)


def _added(name: str, new: Result) -> Change:
    if _held(new) is False:
        return Change(name, f"added; control {new.control} failed: {reading(new)}", "control")
    return Change(name, f"added: {reading(new)}")


# ---- what was asked, and how -----------------------------------------------------------------------------------------


def _settings(before: RunFacts, after: RunFacts) -> Iterator[str]:
    for key in SETTINGS:
        old, new = getattr(before, key), getattr(after, key)
        if old != new:
            yield f"{key}: {old} -> {new}"


def _asked_otherwise(old: Result, new: Result) -> str:
    fields = [(key, getattr(old, key), getattr(new, key)) for key in ASKED]
    differences = [f"{key} {was or 'none'} -> {now or 'none'}" for key, was, now in fields if was != now]
    return f"asks something else: {', '.join(differences)}" if differences else ""
