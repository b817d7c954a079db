"""One question: claim, arms, gains, compute and time, forecast, candidates and figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.registry.metrics import DECIDING, REPORTED
from pipeline.report.content import Block, Column, Paragraph, Section, Table, items, numbers
from pipeline.report.data import ReportData
from pipeline.report.drawings import drawings
from pipeline.report.spending import clock_sentence, compute_sentences, spending_table
from pipeline.report.summary import in_order
from pipeline.report.words import (
    advised,
    capitalised,
    distrust,
    evidence_of,
    evidence_words,
    failed_words,
    forecast_words,
    gain_title,
    interval,
    metric_name,
    needed,
    number,
    spaced,
)
from pipeline.results.result import Candidate, Details, EqualQuality, Reading, Result, details_of, reading_fields
from pipeline.verdict.controls import RULES

ARMS = (
    "head",
    "tuned",
    "chosen",
    "again",
    "rescaled",
    "scratch",
    "source_only",
    "adapted",
    "coral",
    "target_supervised",
)
CONVERGENCE = (
    "It counts as converged where the last quarter of its epochs was at most 1% better on validation than the best "
    "epoch before them."
)


def sections(data: ReportData) -> list[Section]:
    """A section a question, where its details are known."""
    run = data.run
    order = {**in_order(run), **run.results}  # parts of other questions last
    return [_section(name, result, data) for name, result in order.items() if result.details is not None]


def _section(name: str, result: Result, data: ReportData) -> Section:
    details, clocks = details_of(result), data.cost.get(name, {})
    forecast, metric = data.forecasts.get(name), data.run.facts.metric
    epochs = 0 if data.params is None else data.params.scratch.epochs
    texts = [
        subject(result),
        design(result, bool(data.run.facts.looks)),
        *advised(result, metric),
        *compute_sentences(result),
    ]
    blocks: list[Block] = [Paragraph(claim(result, metric), "lead"), Paragraph(" ".join(texts))]
    blocks += [Paragraph(text, "warning") for text in warnings(result)]
    blocks += [arms_table(result), gains_table(result), spending_table(result, clocks)]
    if forecast is not None:
        blocks.append(forecast_table(forecast))
    if result.candidates:
        blocks.append(candidates_table(result.candidates))
    blocks += items([*_remarks(result, forecast), *budget(details, epochs), *clock_sentence(clocks), *result.reasons])
    return Section(name, [*blocks, *drawings(name, result, data)])


# ---- sentences -------------------------------------------------------------------------------------------------------


def claim(result: Result, metric: str) -> str:
    """Label, evidence and gain."""
    if result.label is None:
        return "No verdict: the gain is undefined."
    return f"{capitalised(result.label)}, {evidence_of(result)}: gain {interval(result)} in {metric_name(metric)}."


def design(result: Result, planned: bool) -> str:
    """The number of trainings behind the gain, and the looks taken where they are `planned`."""
    repeats = f" in {result.repeats} repeats" if result.repeats > 1 else ""
    looks = f"; planned look {result.looks}, at level {result.level:.3g}" if planned else ""
    preferred = ", ".join(f"{spaced(arm)} in {count}" for arm, count in (result.choices or {}).items())
    choice = f" Validation chose {preferred} of them." if preferred else ""
    return f"{result.trainings} trainings an arm{repeats}{looks}.{choice}"


def subject(result: Result) -> str:
    """The two arms that are compared, and why."""
    parts = [f"A part of the gain of {result.part_of}."] if result.part_of else []
    if result.control:
        parts.append(f"A control ({spaced(result.control)}), expected: {RULES[result.control].expected}.")
    return " ".join([*parts, _compared(result)])


def _compared(result: Result) -> str:
    if result.kind == "again":
        return f"{result.target} from scratch twice, under different seeds: {result.again} against {result.baseline}."
    if result.kind == "rescaled":
        return f"Rescaled random weights against random weights on {result.target}."
    what = f"{capitalised(result.setting or '')} transfer from {result.source} to {result.target}".strip()
    if result.kind == "adaptation":
        return f"{what}: the source adapted to the target's images without their labels, against the unadapted source."
    baseline = f"baseline {result.baseline}" if result.baseline else spaced(result.against)
    return f"{what}, against {baseline}."


def warnings(result: Result) -> list[str]:
    """Warnings: failed controls, or a baseline that was still improving."""
    found = [distrust("result")] if result.controls == "failed" else []
    stopped = details_of(result).stopped_improving.get(result.against, [])
    if failed := failed_words(result):
        found.append(
            f"Failed trainings: {failed}. They answer one class for all images, or are no better than shuffled labels; "
            "a gain over them says little."
        )
    if result.earlier_repeats:
        before = ", ".join(map(str, result.earlier_repeats))
        found.append(
            f"Judged before at {before} repeats: more repeats after a look are a second chance, which this interval "
            "does not price in. Plan looks in verdict.looks before the first run."
        )
    if result.baseline_stopped_improving is False:
        found.append(
            f"In {stopped.count(False)} of {len(stopped)} folds {spaced(result.against)} was still improving when its "
            "budget ended: the best validation loss of the last quarter of its epochs was more than 1% better than the "
            "best before (or there were fewer than four). A larger scratch.epochs may bring it closer and shrink the "
            "gain."
        )
    return found


def budget(details: Details, epochs: int) -> list[str]:
    """In how many folds scratch used its whole budget of epochs; nothing where it never did."""
    folds = details.folds.get("scratch", [])
    ran = sum(fold["epochs"] >= epochs for fold in folds)
    if not ran or not epochs:
        return []
    used = f"In {ran} of {len(folds)} folds scratch ran to the end of its budget of {epochs} epochs"
    return [f"{used}; a longer one was not tried. {CONVERGENCE}"]


def _remarks(result: Result, forecast: Mapping[str, Any] | None) -> list[str]:
    folds = details_of(result).folds
    if result.methods is not None:
        chosen = ", ".join(f"{spaced(method)} in {count}" for method, count in result.methods.items())
        return [f"Chosen without labels, by folds: {chosen}."]
    remarks = [text for text in (kept_epochs(folds),) if text]
    if result.cost_to_equal_quality is not None:
        remarks.append(equal_quality_sentence(result.cost_to_equal_quality, spaced(result.against)))
    if forecast is not None:
        remarks.append(forecast_sentence(forecast, result, folds["head"][0]["forecast_sha256"]))
    return remarks


def kept_epochs(folds: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The kept epoch, of those run, in each fold of each trained arm."""
    trained = [arm for arm in ARMS if folds.get(arm) and "kept_epoch" in folds[arm][0]]
    counts = {arm: ", ".join(f"{fold['kept_epoch']}/{fold['epochs']}" for fold in folds[arm]) for arm in trained}
    arms = "; ".join(f"{spaced(arm)} {shown}" for arm, shown in counts.items())
    return f"Epoch kept, of those run, by fold: {arms}." if arms else ""


def equal_quality_sentence(cost: EqualQuality, other: str) -> str:
    """The GFLOPs that it took to match the final quality of the other arm."""
    if cost.ratio is None or cost.gflops is None or cost.scratch_gflops is None:
        return f"Cost to equal quality is undefined: {cost.reason}."
    needed = f"{other} needed {cost.scratch_gflops:,.0f}"
    if cost.reached:
        gflops = f"after {cost.gflops:,.0f} GFLOPs"
        return f"The transfer matched {other}'s final quality {gflops}; {needed} (ratio {cost.ratio:.2f})."
    return (
        f"The transfer did not match {other}'s final quality within {cost.gflops:,.0f} GFLOPs; {needed} (ratio above "
        f"{cost.ratio:.2f})."
    )


def forecast_sentence(forecast: Mapping[str, Any], result: Result, sha256: str) -> str:
    """The forecast, whether it was correct, and its reason; `sha256` is of forecast.json when the head was trained."""
    if forecast["label"] is None:
        return "No forecast: none of the scores is defined for these features."
    reason = capitalised(forecast["reason"])
    return (
        f"Forecast: {forecast_words(result.forecast)}. {reason}. It was made before the head was trained (sha256 "
        f"{sha256[:8]})."
    )


# ---- tables ----------------------------------------------------------------------------------------------------------


def arms_table(result: Result) -> Table:
    """A row an arm: every out-of-fold metric."""
    arms = [arm for arm in ARMS if arm in result.arms]
    metrics = [name for name in (*DECIDING, *REPORTED) if name in result.arms[result.arm]]
    rows = [[spaced(arm), *(number(result.arms[arm][name]) for name in metrics)] for arm in arms]
    return Table([Column("arm"), *numbers(*(metric_name(name) for name in metrics))], rows)


def gains_table(result: Result) -> Table:
    """A row an arm, and one for the judged arm at equal compute."""
    details = details_of(result)
    verdicts = {spaced(arm): verdict for arm, verdict in details.verdicts.items()}
    if details.equal_compute is not None:
        verdicts[f"{spaced(result.arm)}, at equal compute"] = details.equal_compute
    rows = []
    for arm, verdict in verdicts.items():
        reading = Reading(**reading_fields(verdict))
        p = [number(value, ".2g") for value in (verdict.p, verdict.p_holm)]
        detectable = number(reading.smallest_detectable_gain)
        rows.append([arm, interval(reading), evidence_words(result, reading), *p, detectable, needed(reading)])
    title = gain_title(result.level).replace("gain", f"gain over {spaced(result.against)}", 1)
    columns = [Column("arm"), *numbers(title), Column("evidence")]
    columns += numbers("p", "p (Holm)", "smallest detectable gain")
    return Table([*columns, Column("needed to show this gain")], rows)


def forecast_table(forecast: Mapping[str, Any]) -> Table:
    """A row a score: its z for the source's features and for those of random weights, and its vote.

    Args:
        forecast: the content of forecast.json.
    """
    rows = [
        [spaced(name), number(score["source"], ".1f"), number(score["random"], ".1f"), score["vote"] or "-"]
        for name, score in forecast["scores"].items()
    ]
    titles = numbers("z of the source's features", "z of random weights")
    return Table([Column("forecast by"), *titles, Column("vote")], rows)


def candidates_table(candidates: Sequence[Candidate]) -> Table:
    """A row a candidate of an adaptation: criterion, and quality measured after the choice; means over folds."""
    qualities = {key: [getattr(each, key) for each in candidates] for key in ("balanced_accuracy", "accuracy")}
    measured = [key for key, values in qualities.items() if any(value is not None for value in values)]
    rows = [
        [
            spaced(candidate.method) + ("" if candidate.strength is None else f", {candidate.strength:g}"),
            number(candidate.criterion),
            *(number(getattr(candidate, key)) for key in measured),
            str(candidate.folds_chosen),
        ]
        for candidate in candidates
    ]
    titles = ["criterion, without labels", *(f"{metric_name(key)}, after the choice" for key in measured)]
    return Table([Column("candidate (strength)"), *numbers(*titles, "chosen in folds")], rows)
