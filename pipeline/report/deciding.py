"""What would decide an open question: more repeats, more groups, or nothing of practical size."""

from typing import Literal

from pipeline.config.schema import MOST_REPEATS
from pipeline.report.answers import outcome
from pipeline.report.language import say
from pipeline.report.words import impractical
from pipeline.results.result import Reading, Result
from pipeline.results.run import RunFacts

Decider = Literal["repeats", "groups", "nothing", "unknown"]


def decider(reading: Reading) -> Decider:
    """What would show the observed gain; unknown where no variance tells, as from one repeat.

    repeats: as many as params allow do. groups: fewer repeats do not. nothing: neither does.
    """
    if reading.repeats_needed is not None and reading.repeats_needed <= MOST_REPEATS:
        return "repeats"
    if reading.groups_needed is not None:
        return "groups"
    return "nothing" if reading.repeats_needed is not None or impractical(reading) else "unknown"


def plan(result: Result, facts: RunFacts, minutes: float | None) -> str:
    """What would show the gain that was observed; nothing where the question is not open.

    Args:
        minutes: that one more repeat takes; None where no clock tells.
    """
    if outcome(result, facts) != "open" or result.gain is None:
        return ""
    size, found = f"{abs(result.gain):.2g}", decider(result)
    if found == "repeats" and result.repeats_needed is not None:
        return _more_repeats(result.repeats_needed - result.repeats, size, minutes)
    parts = [_more_groups(result, size)] if found == "groups" else []
    if result.repeats_needed is not None:
        parts.append(_too_many_repeats(result.repeats_needed, size))
    elif found == "groups":
        parts.append(say("More repeats would not."))
    elif found == "nothing":
        parts.append(_out_of_reach(size))
    return " ".join(parts)


def _more_repeats(more: int, size: str, minutes: float | None) -> str:
    if minutes is None:
        if more == 1:
            return say("1 more repeat would detect a gain of {size}.", size=size)
        return say("{more} more repeats would detect a gain of {size}.", more=more, size=size)
    took = f"{max(1, round(more * minutes)):,}"
    if more == 1:
        return say("1 more repeat, about {minutes} minutes, would detect a gain of {size}.", minutes=took, size=size)
    return say(
        "{more} more repeats, about {minutes} minutes, would detect a gain of {size}.",
        more=more,
        minutes=took,
        size=size,
    )


def _more_groups(result: Result, size: str) -> str:
    groups = f"{result.groups_needed:,}"
    if result.details is None:
        return say("Images of {groups} groups would detect a gain of {size}.", groups=groups, size=size)
    now = f"{result.details.verdicts[result.arm].groups:,}"
    return say(
        "Images of {groups} groups in place of {now} would detect a gain of {size}.", groups=groups, now=now, size=size
    )


def _too_many_repeats(repeats: int, size: str) -> str:
    return say(
        "{repeats} repeats would detect a gain of {size}, more than the {most} that params.yaml allows.",
        repeats=f"{repeats:,}",
        size=size,
        most=MOST_REPEATS,
    )


def _out_of_reach(size: str) -> str:
    return say(
        "A difference of {size} is not practically detectable here: it would take more than ten times the repeats, "
        "or more than ten times the groups.",
        size=size,
    )
