"""What a question's arms and its pretraining cost: cost.json, the sentences and the table of compute and time."""

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.config.params import Params
from pipeline.config.schema import Question
from pipeline.report.content import Column, Table, numbers
from pipeline.report.words import capitalised, number, saving, spaced
from pipeline.results.result import Pretraining, Result

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
NAMES = {"adapted": "adapted (everything tried)"}
OWN = ("extract", "head", "tune")  # the steps of a transfer itself


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
    share = capitalised(saving(compute.saved))
    spent = f"the transfer took {compute.transfer_gflops:,.0f} GFLOPs"
    other = f"{spaced(result.against)} {compute.scratch_gflops:,.0f}"
    sentences = [f"{share}: {spent}, {other} (pretraining cost excluded)."]
    if compute.pretraining is not None:
        sentences += pretraining_sentence(compute.pretraining, compute.saved_amortised)
    return sentences


def pretraining_sentence(paid: Pretraining, saved_amortised: float | None) -> list[str]:
    """The cost of pretraining where it is known, and what is saved with a share of it; nothing where it was free."""
    if paid.gflops is None:
        return [f"The cost of pretraining is unknown ({paid.reason})."]
    if not paid.gflops:
        return []
    took = f"Pretraining took {paid.gflops:,.0f} GFLOPs"
    if paid.reason:
        return [f"{took}; the cost of its initial weights is unknown ({paid.reason})."]
    if saved_amortised is None:
        return [f"{took}."]
    return [f"{took}; with this question's share of them, {paid.share_gflops:,.0f}, {saving(saved_amortised)}."]


def clock_sentence(clocks: Mapping[str, Clock]) -> list[str]:
    """Seconds of a transfer against those of scratch, where both ran on the same device; nothing for other kinds."""
    if not {*OWN, "scratch"} <= set(clocks):
        return []
    own, scratch = [clocks[step] for step in OWN], clocks["scratch"]
    devices = sorted({clock["device"] for clock in (*own, scratch)})
    if len(devices) > 1:
        return [f"Seconds are not compared: the arms ran on {' and '.join(devices)}."]
    took = sum(clock["seconds"] for clock in own)
    saved = saving(1 - took / scratch["seconds"], "time")
    return [
        f"By the clock ({devices[0]}), {saved}: extract, head and tune took {took:,.0f} seconds, training from scratch "
        f"{scratch['seconds']:,.0f}."
    ]


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
        what = "forecast (not counted as spent)"
        rows.append([what, *_counts(result.forecast.gflops, 0), *_times(clocks.get("forecast"))])
    if compute.extract_gflops is not None:
        what = "extract (frozen layers, once a repeat)"
        rows.append([what, *_counts(compute.extract_gflops, 0), *_times(clocks.get("extract"))])
    for arm, step in STEPS.items():
        if spent := compute.arms.get(arm):
            counts = _counts(spent.gflops, spent.backward_gflops, spent.sweep_gflops, spent.images_seen)
            rows.append([NAMES.get(arm, spaced(arm)), *counts, *_times(clocks.get(step))])
    counted = ("GFLOPs", "backward", "in settings not kept", "images seen")
    times = ("seconds", "CPU-seconds", "peak memory (MB)")
    return Table([Column("spent on"), *numbers(*counted, *times), Column("device")], rows)


def _pretraining_rows(paid: Pretraining, clocks: Mapping[str, Clock]) -> list[list[str]]:
    gflops, backward, share, images = (
        paid_once(count, paid.reason)
        for count in (paid.gflops, paid.backward_gflops, paid.share_gflops, paid.images_seen)
    )
    clock = clocks.get("pretrain", clocks.get("source"))
    rows = [["pretraining (not counted as spent)", gflops, backward, "", images, *_times(clock)]]
    if share != gflops:
        rows.append([f"share of pretraining, used by {paid.shared_by}", share, "", "", "", *_times(None)])
    return rows


def paid_once(count: float | None, reason: str | None) -> str:
    """GFLOPs or images that a source took; `+ unknown` where a `reason` says that those of its init are unknown."""
    known = [] if count is None else [f"{count:,.0f}"]
    return " + ".join([*known, *(["unknown"] if reason else [])])


def _counts(*values: float | None) -> list[str]:
    """GFLOPs, backward, in settings not kept, images seen; empty where there is no such count."""
    shown = ["" if value is None else f"{value:,.0f}" for value in values]
    return shown + [""] * (4 - len(shown))


def _times(clock: Clock | None) -> list[str]:
    """Seconds, CPU-seconds, peak memory and device; empty without a clock."""
    if clock is None:
        return [""] * 4
    times = [number(clock[key], ",.0f") for key in ("seconds", "cpu_seconds", "peak_memory_mb")]
    return [*times, clock["device"] + (" (a GPU was idle)" if clock.get("idle_gpus") else "")]
