"""Verdicts in sentences, for people."""

from collections.abc import Mapping
from typing import Any

from pipeline.reporting.summary import ADAPTATION, REPEAT
from pipeline.verdict.controls import by_sign_alone, why_failed

Entry = Mapping[str, Any]
BASELINES = {ADAPTATION: "of the source as it is", REPEAT: "of the same training under another seed"}


def sentence(name: str, entry: Entry, metric: str) -> str:
    """One transfer, adaptation or control in one sentence."""
    control = f"{control_state(entry)}: " if "control" in entry else ""
    parts = [f"{name}: {control}{_found(entry, metric)}"]
    if not entry.get("baseline_stopped_improving", True):
        parts.append("scratch had not stopped improving when its budget ended")
    if entry.get("controls") == "failed":
        parts.append("not to be trusted, since controls of this run failed")
    return "; ".join(parts)


def _found(entry: Entry, metric: str) -> str:
    if entry["gain"] is None:
        return "no verdict, since the gain is undefined"
    arm, baseline = (entry["arms"][entry[which]][metric] for which in ("arm", "against"))
    return (
        f"{entry['label']}, {entry['evidence']}: {spaced(metric)} {arm:.3f} against {baseline:.3f} "
        f"{BASELINES.get(entry['kind'], 'from scratch')}, gain {interval(entry)}{_price(entry, metric)}"
    )


def _price(entry: Entry, metric: str) -> str:
    if entry["kind"] == ADAPTATION:
        return f", {number(entry['arms'][entry['ceiling']['arm']][metric])} by a linear probe with target labels"
    return "" if entry["kind"] == REPEAT else f", {spending(entry['compute']['saved'])}"


def control_state(entry: Entry) -> str:
    """Whether a control came out as it must."""
    state = {True: "held", False: "failed", None: "undefined"}[entry["held"]]
    return f"control ({spaced(entry['control'])}) {state}"


def controls_line(run: Entry, controls: Mapping[str, Entry]) -> str:
    """The report's first line: whether the run's verdicts can be trusted.

    Args:
        run: the entry `run` of metrics.json. controls: the entries of all controls there.
    """
    if run["controls"] is None:
        return "This run has no controls: nothing in it tests whether its verdicts can be trusted."
    if run["controls"] == "held":
        return f"The controls held ({_how_held(controls)})."
    why = ". ".join(
        f"{name}: {why_failed(entry['control'], entry['held'], entry)}"
        for name, entry in controls.items()
        if not entry["held"]
    )
    return f"The controls failed, so the verdicts of this run cannot be trusted. {why}."


def _how_held(controls: Mapping[str, Entry]) -> str:
    """The names, those apart that have the right sign and no more: that is half a proof at best."""
    alone = [name for name, entry in controls.items() if by_sign_alone(entry["control"], entry["evidence"])]
    proved = [name for name in controls if name not in alone]
    parts = [(alone, " by sign, not conclusively"), (proved, "")]
    return "; ".join(f"{', '.join(names)}{how}" for names, how in parts if names)


def evidence_line(entries: Mapping[str, Entry]) -> str:
    """How many labels are more than a sign, and how large a true gain had to be for that.

    Args:
        entries: of metrics.json, without controls; there may be none.
    """
    if not entries:
        return ""
    sure = [name for name, entry in entries.items() if entry["evidence"] == "conclusive"]
    told = f"Conclusive: {', '.join(sure)} ({len(sure)} of {len(entries)} labels)" if sure else "No label is conclusive"
    sizes = sorted({f"{size:.2f}" for entry in entries.values() if (size := entry["smallest_detectable_gain"])})
    if not sizes:
        return f"{told}."
    size = sizes[0] if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return f"{told}. For four of five such runs to find it, a true gain would have to be {size}."


def interval(entry: Entry) -> str:
    """A gain with its interval, as far as they are defined."""
    if entry["gain"] is None or entry["ci_low"] is None:
        return number(entry["gain"], "+.3f")
    return f"{entry['gain']:+.3f} [{entry['ci_low']:+.3f}, {entry['ci_high']:+.3f}]"


def spending(saved: float, what: str = "compute") -> str:
    """The share of compute (or time) saved, in words: a transfer may also cost more than training from scratch."""
    return f"{saved:.0%} of the {what} saved" if saved >= 0 else f"{-saved:.0%} more {what} spent"


def paid_once(count: float | None, reason: str | None) -> str:
    """GFLOPs or images that a source took, as far as they are known; with a `reason` its beginning is unknown."""
    known = [] if count is None else [f"{count:,.0f}"]
    return " + ".join([*known, *(["unknown"] if reason else [])])


def equal_quality(cost: Entry) -> str:
    """What reaching the baseline's quality cost, as a ratio to what the baseline needed; `>`: not reached."""
    if cost["ratio"] is None:
        return "-"
    return f"{'' if cost['reached'] else '> '}{cost['ratio']:.2f}"


def of_the_way(reached: float | None) -> str:
    """The share of the linear probe's gain that was reached without labels; of more than all, only that it is more."""
    return ">100%" if reached is not None and reached > 1 else number(reached, ".0%")


def forecast_cell(forecast: Entry) -> str:
    """A forecast and whether it was right, in a cell."""
    proved = {True: "right", False: "wrong", None: "undecided"}[forecast["right"]]
    return f"{forecast['label'] or '-'}, {proved}"


def forecasts_line(forecasts: Entry) -> str:
    """The score of forecast against verdict."""
    scores = [(what, forecasts[what]) for what in ("transfers", "controls")]
    parts = [f"{score['right']} of {score['of']} {what}" for what, score in scores if score["of"]]
    return f"Forecasts, told before the transfer was trained, were right for {' and '.join(parts)}." if parts else ""


def number(value: float | None, form: str = ".3f") -> str:
    """A number in a given format; a dash where it is undefined."""
    return "-" if value is None else format(value, form)


def spaced(name: str) -> str:
    """A name from params as words."""
    return name.replace("_", " ")
