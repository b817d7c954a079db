"""What a question's arms and its pretraining cost: cost.json, the sentences and the table of compute and time."""

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.config.params import Params
from pipeline.config.schema import Question
from pipeline.report.content import Column, Table, numbers
from pipeline.report.language import retold, say
from pipeline.report.words import capitalised, joined, number, saving, spaced, time_saving
from pipeline.results.result import Compute, Pretraining, Result

Clock = Mapping[str, Any]
Step = tuple[str, str]  # a stage, and the entry that it ran for
STAGES = {"transfers": ("extract", "forecast", "head", "tune"), "adaptations": ("adapt",), "rescaled": ("rescale",)}
AGAINST = {"baselines": "scratch", "rescaled": "rescale"}  # section of the other arm -> the stage that trains it
STEPS = {  # arm -> the step whose clock it has
    "head": "head",
    "tuned": "tune",
    "again": "again",
    "rescaled": "rescale",
    "scratch": "scratch",
    "adapted": "adapt",
}
OWN = ("extract", "head", "tune")  # the steps of a transfer itself
EACH_REPEAT = (*OWN, "scratch", "again", "rescale", "adapt")  # the steps that more repeats take again


# ---- cost.json -------------------------------------------------------------------------------------------------------


def steps(params: Params, question: Question) -> dict[str, Step]:
    """The stage instances that produced a question's arms: name of the step -> (stage, entry)."""
    kind, name = question.arm.split("/")
    against, other = question.against.split("/")
    found: dict[str, Step] = {"again": ("scratch", name)} if kind == "baselines" else {}
    if kind in ("transfers", "adaptations"):
        source = getattr(params, kind)[name].source
        stage = "pretrain" if source in params.pretrained else "source"
        found[stage] = (stage, source)
    found |= {stage: (stage, name) for stage in STAGES.get(kind, ())}
    if against in AGAINST:
        found[AGAINST[against]] = (AGAINST[against], other)
    return found


def costs(params: Params, clock: Callable[[str, str], Clock]) -> dict[str, dict[str, Any]]:
    """The content of cost.json: for every question the clock of each step, and `control` if it is one.

    Args:
        clock: reads the clock of a stage and an entry.
    """
    return {
        name: {step: clock(*instance) for step, instance in steps(params, question).items()}
        | ({"control": question.control} if question.control else {})
        for name, question in params.questions.items()
    }


# ---- sentences -------------------------------------------------------------------------------------------------------


def compute_sentences(result: Result) -> list[str]:
    """The share of compute saved, then the cost of pretraining; nothing where no compute can be saved."""
    compute = result.compute
    if compute.saved is None or compute.transfer_gflops is None or compute.scratch_gflops is None:
        return []
    spent = say(
        "{share}: the transfer took {own} GFLOPs, {arm} {other} (pretraining cost excluded).",
        share=capitalised(saving(compute.saved)),
        own=f"{compute.transfer_gflops:,.0f}",
        arm=spaced(result.against),
        other=f"{compute.scratch_gflops:,.0f}",
    )
    return [spent, *pretraining_words(compute)]


def pretraining_words(compute: Compute) -> list[str]:
    """The cost of pretraining where it is known, and what is saved with a share of it; nothing where it was free."""
    paid = compute.pretraining
    if paid is None or (not paid.gflops and paid.gflops is not None):
        return []
    reason = retold(paid.reason or "")
    if paid.gflops is None:
        return [say("The cost of pretraining is unknown ({reason}).", reason=reason)]
    gflops = f"{paid.gflops:,.0f}"
    if paid.reason:
        both = "Pretraining took {gflops} GFLOPs; the cost of its initial weights is unknown ({reason})."
        return [say(both, gflops=gflops, reason=reason)]
    if compute.saved_amortised is None:
        return [say("Pretraining took {gflops} GFLOPs.", gflops=gflops)]
    share, saved = f"{paid.share_gflops:,.0f}", saving(compute.saved_amortised)
    priced = (
        "Pretraining took {gflops} GFLOPs; with this question's share of them ({share}) in each repeat it is {saving}."
    )
    return [say(priced, gflops=gflops, share=share, saving=saved)]


def clock_sentence(clocks: Mapping[str, Clock]) -> list[str]:
    """Seconds of a transfer against those of scratch, where both ran on the same device; nothing for other kinds."""
    if not {*OWN, "scratch"} <= set(clocks):
        return []
    devices = _devices(clocks)
    saved = time_saved(clocks)
    if saved is None:
        return [say("Seconds are not compared: the arms ran on {devices}.", devices=joined(devices))]
    return [
        say(
            "By the clock ({device}), {saving}: extract, head and tune took {own} seconds, training from scratch "
            "{other}.",
            device=devices[0],
            saving=time_saving(saved),
            own=f"{sum(clocks[step]['seconds'] for step in OWN):,.0f}",
            other=f"{clocks['scratch']['seconds']:,.0f}",
        )
    ]


def time_saved(clocks: Mapping[str, Clock]) -> float | None:
    """The share of scratch's seconds that the transfer did not take; None unless all are known, of one device."""
    if not {*OWN, "scratch"} <= set(clocks) or len(_devices(clocks)) > 1 or not clocks["scratch"]["seconds"]:
        return None
    return float(1 - sum(clocks[step]["seconds"] for step in OWN) / clocks["scratch"]["seconds"])


def minutes_a_repeat(result: Result, results: Mapping[str, Result], clocks: Mapping[str, Clock]) -> float | None:
    """Minutes that one more repeat of a question takes, by the clocks of its arms; None without clocks.

    The arms of a target have as many repeats as the question that asks for most.
    """
    seconds = [clocks[step]["seconds"] for step in EACH_REPEAT if step in clocks]
    repeats = max(other.repeats for other in results.values() if other.target == result.target)
    return float(sum(seconds)) / repeats / 60 if seconds else None


def _devices(clocks: Mapping[str, Clock]) -> list[str]:
    return sorted({clocks[step]["device"] for step in (*OWN, "scratch")})


# ---- table -----------------------------------------------------------------------------------------------------------


def spending_table(result: Result, clocks: Mapping[str, Clock]) -> Table:
    """A row for each step that cost something; pretraining and the forecast are listed but not counted.

    Args:
        clocks: of the question, from cost.json: step -> seconds, cpu_seconds, peak_memory_mb, device.
    """
    compute, rows = result.compute, []
    if compute.pretraining is not None:
        rows += _pretraining_rows(compute.pretraining, clocks)
    if result.forecast is not None:
        what = say("forecast (not counted as spent)")
        rows.append([what, *_counts(result.forecast.gflops, 0), *_times(clocks.get("forecast"))])
    if compute.extract_gflops is not None:
        what = say("extract (frozen layers, once a repeat)")
        rows.append([what, *_counts(compute.extract_gflops, 0), *_times(clocks.get("extract"))])
    for arm, step in STEPS.items():
        if spent := compute.arms.get(arm):
            counts = _counts(spent.gflops, spent.backward_gflops, spent.sweep_gflops, spent.images_seen)
            name = say("adapted (everything tried)") if arm == "adapted" else spaced(arm)
            rows.append([name, *counts, *_times(clocks.get(step))])
    counted = ("GFLOPs", say("backward"), say("in settings not kept"), say("images seen"))
    times = (say("seconds"), say("CPU-seconds"), say("peak memory (MB)"))
    return Table([Column(say("spent on")), *numbers(*counted, *times), Column(say("device"))], rows)


def _pretraining_rows(paid: Pretraining, clocks: Mapping[str, Clock]) -> list[list[str]]:
    what = say("pretraining (not counted as spent)")
    if paid.gflops is None:  # a clock of the stage `source` is that of reading the weights
        what = say("pretraining ({reason})", reason=retold(paid.reason or ""))
        return [[what, say("unknown"), "", "", "", *_times(None)]]
    gflops, backward, share, images = (
        paid_once(count, paid.reason)
        for count in (paid.gflops, paid.backward_gflops, paid.share_gflops, paid.images_seen)
    )
    rows = [[what, gflops, backward, "", images, *_times(clocks.get("pretrain"))]]
    if share != gflops:
        rows.append(
            [say("share of pretraining, used by {count}", count=paid.shared_by), share, "", "", "", *_times(None)]
        )
    return rows


def paid_once(count: float | None, reason: str | None) -> str:
    """GFLOPs or images that a source took; `+ unknown` where a `reason` says that those of its init are unknown."""
    known = [] if count is None else [f"{count:,.0f}"]
    return " + ".join([*known, *([say("unknown")] if reason else [])])


def _counts(*values: float | None) -> list[str]:
    """GFLOPs, backward, in settings not kept, images seen; empty where there is no such count."""
    shown = ["" if value is None else f"{value:,.0f}" for value in values]
    return shown + [""] * (4 - len(shown))


def _times(clock: Clock | None) -> list[str]:
    """Seconds, CPU-seconds, peak memory and device; empty without a clock."""
    if clock is None:
        return [""] * 4
    times = [number(clock[key], ",.0f") for key in ("seconds", "cpu_seconds", "peak_memory_mb")]
    return [
        *times,
        say("{device} (a GPU was idle)", device=clock["device"]) if clock.get("idle_gpus") else clock["device"],
    ]
