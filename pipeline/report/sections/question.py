"""One question: claim, arms, gains, compute and time, forecast, candidates and figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.registry.metrics import DECIDING, REPORTED
from pipeline.report.content import Block, Column, Paragraph, Section, Table, items, numbers
from pipeline.report.data import ReportData
from pipeline.report.drawings import drawings
from pipeline.report.language import retold, say
from pipeline.report.spending import clock_sentence, compute_sentences, spending_table
from pipeline.report.summary import in_order
from pipeline.report.words import (
    advised,
    capitalised,
    counted,
    distrust,
    evidence_of,
    evidence_words,
    failed_words,
    forecast_words,
    interval,
    level,
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
    reasons = [retold(reason) for reason in result.reasons]
    blocks += items([*_remarks(result, forecast), *budget(details, epochs), *clock_sentence(clocks), *reasons])
    return Section(name, [*blocks, *drawings(name, result, data)], folded=True)


# ---- sentences -------------------------------------------------------------------------------------------------------


def claim(result: Result, metric: str) -> str:
    """Label, evidence and gain."""
    if result.label is None:
        return say("No verdict: the gain is undefined.")
    values = {"evidence": evidence_of(result), "gain": interval(result), "metric": metric_name(metric)}
    if result.evidence == "equivalent":
        return capitalised(say("No difference beyond the margin ({evidence}): gain {gain} in {metric}.", **values))
    return capitalised(say("{label}, {evidence}: gain {gain} in {metric}.", **values, label=spaced(result.label)))


def design(result: Result, planned: bool) -> str:
    """The number of trainings behind the gain, and the looks taken where they are `planned`."""
    parts = [say("{count} trainings an arm in {repeats} repeats.", count=result.trainings, repeats=result.repeats)]
    if result.repeats == 1:
        parts = [say("{count} trainings an arm.", count=result.trainings)]
    if planned:
        level = f"{result.level:.3g}"
        parts.append(say("This is planned look {look}, at level {level}.", look=result.looks, level=level))
    if result.choices:
        counts = counted({spaced(arm): count for arm, count in result.choices.items()})
        parts.append(say("Validation chose by trainings: {counts}.", counts=counts))
    return " ".join(parts)


def subject(result: Result) -> str:
    """The two arms that are compared, and why."""
    parts = [say("A part of the gain of {whole}.", whole=result.part_of)] if result.part_of else []
    if result.control:
        expected = retold(RULES[result.control].expected)
        parts.append(say("A control ({control}), expected: {expected}.", control=spaced(result.control),
                         expected=expected))  # fmt: skip
    return " ".join([*parts, _compared(result)])


def _compared(result: Result) -> str:
    values = {"source": result.source, "target": result.target, "setting": spaced(result.setting or "")}
    other = result.baseline or spaced(result.against)
    if result.kind == "again":
        both = "{target} from scratch twice, under different seeds: {arm} against {other}."
        return say(both, target=result.target, arm=result.again, other=other)
    if result.kind == "rescaled":
        return say("Rescaled random weights against random weights on {target}.", target=result.target)
    if result.kind == "adaptation":
        without = say(
            "{setting} transfer from {source} to {target}: the source adapted to the target's images without their "
            "labels, against the unadapted source.",
            **values,
        )
        return capitalised(without)
    return capitalised(say("{setting} transfer from {source} to {target}, against {other}.", **values, other=other))


def warnings(result: Result) -> list[str]:
    """Warnings: failed controls, or a baseline that was still improving."""
    found = [distrust()] if result.controls == "failed" else []
    stopped = details_of(result).stopped_improving.get(result.against, [])
    if failed := failed_words(result):
        found.append(
            say(
                "Failed trainings: {failed}. They answer one class for all images, or are no better than shuffled "
                "labels; a gain over them says little.",
                failed=failed,
            )
        )
    if result.earlier_repeats:
        found.append(
            say(
                "Judged before at {repeats} repeats: more repeats after a look are a second chance, which this "
                "interval does not price in. Plan looks in verdict.looks before the first run.",
                repeats=", ".join(map(str, result.earlier_repeats)),
            )
        )
    if result.baseline_stopped_improving is False:
        found.append(
            say(
                "In {count} of {all} folds {arm} was still improving when its budget ended: the best validation loss "
                "of the last quarter of its epochs was more than 1% better than the best before (or there were fewer "
                "than four). A larger scratch.epochs may bring it closer and shrink the gain.",
                count=stopped.count(False),
                all=len(stopped),
                arm=spaced(result.against),
            )
        )
    return found


def budget(details: Details, epochs: int) -> list[str]:
    """In how many folds scratch used its whole budget of epochs; nothing where it never did."""
    folds = details.folds.get("scratch", [])
    ran = sum(fold["epochs"] >= epochs for fold in folds)
    if not ran or not epochs:
        return []
    return [
        say(
            "In {ran} of {all} folds scratch ran to the end of its budget of {epochs} epochs; a longer one was not "
            "tried. It counts as no longer improving where the last quarter of its epochs was at most 1% better on "
            "validation than the best epoch before them.",
            ran=ran,
            all=len(folds),
            epochs=epochs,
        )
    ]


def _remarks(result: Result, forecast: Mapping[str, Any] | None) -> list[str]:
    folds = details_of(result).folds
    if result.methods is not None:
        methods = counted({spaced(method): count for method, count in result.methods.items()})
        return [say("Chosen without labels, by folds: {methods}.", methods=methods)]
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
    return say("Epoch kept, of those run, by fold: {arms}.", arms=arms) if arms else ""


def equal_quality_sentence(cost: EqualQuality, other: str) -> str:
    """The GFLOPs that it took to match the final quality of the other arm."""
    if cost.ratio is None or cost.gflops is None or cost.scratch_gflops is None:
        return say("Cost to equal quality is undefined: {reason}.", reason=retold(cost.reason or ""))
    values = {"other": other, "own": f"{cost.gflops:,.0f}", "needed": f"{cost.scratch_gflops:,.0f}"}
    if cost.reached:
        return say(
            "The transfer first matched the final quality of {other} after {own} GFLOPs; {other} itself first had it "
            "after {needed} (ratio {ratio}).",
            **values,
            ratio=f"{cost.ratio:.2f}",
        )
    return say(
        "The transfer did not match the final quality of {other} within {own} GFLOPs; {other} itself first had it "
        "after {needed} (ratio above {ratio}).",
        **values,
        ratio=f"{cost.ratio:.2f}",
    )


def forecast_sentence(forecast: Mapping[str, Any], result: Result, sha256: str) -> str:
    """The forecast, whether it was correct, and its reason; `sha256` is of forecast.json when the head was trained."""
    if forecast["label"] is None:
        return say("No forecast: none of the scores is defined for these features.")
    return say(
        "Forecast: {forecast}. {reason}. It was made before the head was trained (sha256 {sha256}).",
        forecast=forecast_words(result),
        reason=capitalised(retold(forecast["reason"])),
        sha256=sha256[:8],
    )


# ---- tables ----------------------------------------------------------------------------------------------------------


def arms_table(result: Result) -> Table:
    """A row an arm: every out-of-fold metric."""
    arms = [arm for arm in ARMS if arm in result.arms]
    metrics = [name for name in (*DECIDING, *REPORTED) if name in result.arms[result.arm]]
    rows = [[spaced(arm), *(number(result.arms[arm][name]) for name in metrics)] for arm in arms]
    return Table([Column(say("arm")), *numbers(*(metric_name(name) for name in metrics))], rows)


def gains_table(result: Result) -> Table:
    """A row an arm, and one for the judged arm at equal compute."""
    details = details_of(result)
    verdicts = {spaced(arm): verdict for arm, verdict in details.verdicts.items()}
    if details.equal_compute is not None:
        verdicts[say("{arm}, at equal compute", arm=spaced(result.arm))] = details.equal_compute
    rows = []
    for arm, verdict in verdicts.items():
        reading = Reading(**reading_fields(verdict))
        p = [number(value, ".2g") for value in (verdict.p, verdict.p_holm)]
        detectable = number(reading.smallest_detectable_gain)
        rows.append([arm, interval(reading), evidence_words(result, reading), *p, detectable, needed(reading)])
    title = say("gain over {other} [{level} interval]", other=spaced(result.against), level=level(result.level))
    columns = [Column(say("arm")), *numbers(title), Column(say("evidence"))]
    columns += numbers("p", "p (Holm)", say("smallest detectable gain"))
    return Table([*columns, Column(say("needed to show this gain"))], rows)


def forecast_table(forecast: Mapping[str, Any]) -> Table:
    """A row a score: its z for the source's features and for those of random weights, and its vote.

    Args:
        forecast: the content of forecast.json.
    """
    rows = [
        [spaced(name), number(score["source"], ".1f"), number(score["random"], ".1f"), spaced(score["vote"] or "-")]
        for name, score in forecast["scores"].items()
    ]
    titles = numbers(say("z of the source's features"), say("z of random weights"))
    return Table([Column(say("forecast by")), *titles, Column(say("vote"))], rows)


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
    titles = [say("criterion, without labels")]
    titles += [say("{metric}, after the choice", metric=metric_name(key)) for key in measured]
    return Table([Column(say("candidate (strength)")), *numbers(*titles, say("chosen in folds"))], rows)
