"""The report's tables as data: Markdown, HTML and the terminal show the same cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.reporting.sentences import equal_quality, forecast_cell, interval, number, of_the_way, paid_once, spaced
from pipeline.reporting.summary import ADJUSTED, REPEAT
from pipeline.verdict.controls import RULES

Metrics = Mapping[str, Any]
ARMS = ("head", "tuned", "again", "rescaled", "scratch", "source_only", "adapted", "target_supervised")
STAGES = {"head": "head", "tuned": "tune", "scratch": "scratch", "again": "again"}  # arm -> its clock in cost.json
QUALITIES = {
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "roc_auc": "ROC AUC",
    "log_loss": "log loss",
    "ece": "calibration error",
}


@dataclass(frozen=True)
class Column:
    """kind: `text` is escaped, `number` stands to the right, `label` is emphasised."""

    title: str
    kind: Literal["text", "number", "label"] = "text"


@dataclass(frozen=True)
class Table:
    """Cells as text, one list a row, as long as `columns`."""

    columns: Sequence[Column]
    rows: list[list[str]]


def numbers(*titles: str) -> list[Column]:
    """Columns of numbers."""
    return [Column(title, "number") for title in titles]


def verdicts_table(metrics: Metrics, names: Sequence[str], alpha: float) -> Table:
    """A row for everything that has a verdict, controls too; a dash where a kind of entry has no such thing."""
    texts = [Column(title) for title in ("name", "control", "setting", "source", "target")]
    verdict = [Column("label", "label"), Column("evidence")]
    last = numbers(gain_title(alpha), "p (Holm; of controls their own)", "compute saved")
    return Table([*texts, *verdict, *last], [_verdict_row(name, metrics[name]) for name in names])


def _verdict_row(name: str, entry: Metrics) -> list[str]:
    control = entry.get("control")
    return [
        name,
        spaced(control or "-"),
        entry.get("setting", "-"),
        entry.get("source", "-"),
        entry["target"],
        entry["label"] or "-",
        entry["evidence"],
        interval(entry),
        number(entry["p" if control else "p_holm"], ".2g"),
        number(entry["compute"]["saved"], ".0%"),
    ]


def transfers_table(metrics: Metrics, names: Sequence[str]) -> Table:
    """A row a transfer: what it is compared with, its other readings, and its price."""
    columns = [Column("transfer"), Column("baseline"), *numbers("gain at equal compute")]
    columns += [*numbers("smallest detectable gain", "if asked alone", "cost to equal quality"), Column("forecast")]
    return Table(columns, [_transfer_row(name, metrics[name]) for name in names])


def _transfer_row(name: str, entry: Metrics) -> list[str]:
    return [
        name,
        entry["baseline"],
        interval(entry["equal_compute"]),
        number(entry["smallest_detectable_gain"]),
        number(entry["detectable_alone"]),
        equal_quality(entry["cost_to_equal_quality"]),
        forecast_cell(entry["forecast"]),
    ]


def adaptations_table(metrics: Metrics, names: Sequence[str]) -> Table:
    """A row an adaptation: the source as it is, adapted, and a linear probe trained with the target's labels."""
    arms = numbers("source only", "adapted", "linear probe with target labels", "of the way to the probe")
    rows = [_adaptation_row(name, metrics[name], metrics["run"]["metric"]) for name in names]
    return Table([Column("adaptation"), *arms], rows)


def _adaptation_row(name: str, entry: Metrics, metric: str) -> list[str]:
    reached = [entry["arms"][arm][metric] for arm in (entry["against"], entry["arm"], entry["ceiling"]["arm"])]
    return [name, *(number(value) for value in reached), of_the_way(entry["ceiling"]["reached"])]


def controls_table(metrics: Metrics, names: Sequence[str]) -> Table:
    """A row a control: what was compared, what it must show, what it showed, whether it held."""
    texts = [Column(title) for title in ("control", "compared", "expected", "found", "held")]
    return Table(texts, [_control_row(name, metrics[name]) for name in names])


def _control_row(name: str, entry: Metrics) -> list[str]:
    repeat = entry["kind"] == REPEAT
    return [
        name,
        f"{entry['again']} with {entry['baseline']}" if repeat else f"{entry['source']} to {entry['target']}",
        RULES[entry["control"]].expected,
        f"{entry['label'] or 'no label'}, {entry['evidence']}",
        held_in_words(entry["held"]),
    ]


def held_in_words(held: bool | None) -> str:
    """Whether a control held, in a cell."""
    return {True: "yes", False: "NO", None: "undefined"}[held]


def gain_title(alpha: float) -> str:
    """The heading over a gain with its interval."""
    return f"gain [{1 - alpha:.0%} interval]"


# ---- the section of one transfer, adaptation or control --------------------------------------------------------------


def arms_table(entry: Metrics) -> Table:
    """A row an arm: every metric, out of fold."""
    arms = [arm for arm in ARMS if arm in entry["arms"]]
    rows = [[spaced(arm), *(number(entry["arms"][arm][key]) for key in QUALITIES)] for arm in arms]
    return Table([Column("arm"), *numbers(*QUALITIES.values())], rows)


def gains_table(entry: Metrics, verdict: Metrics) -> Table:
    """A row for each arm against the baseline, and for the last arm at equal compute.

    These two readings of the last arm are judged for the number of the run's transfers; the other rows stand for
    themselves, and say so. Nothing of a control is adjusted.
    """
    columns = [Column(f"gain over {spaced(verdict['against'])} of"), *numbers("gain [interval]"), Column("evidence")]
    last = spaced(verdict["arm"])
    judged = [
        (spaced(arm), of_arm | {key: entry[key] for key in ADJUSTED} if arm == verdict["arm"] else of_arm)
        for arm, of_arm in verdict["verdicts"].items()
    ]
    if "equal_compute" in verdict:
        adjusted = {key: entry["equal_compute"][key] for key in ADJUSTED}
        judged.append((f"{last}, at equal compute", verdict["equal_compute"] | adjusted))
    if "attribution" in verdict:
        judged.append(("rescaled: scaling", verdict["attribution"]["scaling"]))
        judged.append((f"{last} over rescaled: features", verdict["attribution"]["features"]))
    rows = [_gain_row(what, of_arm, "control" in entry) for what, of_arm in judged]
    needed = Column("would need (that many images in that many folds, both together)")
    columns += numbers("p", "p (Holm)", "p (McNemar)", "smallest detectable gain")
    return Table([*columns, needed], rows)


def forecast_table(forecast: Metrics) -> Table:
    """A row a score: its z for the source's features and for those of random weights, and how it votes.

    Args:
        forecast: the content of forecast.json.
    """
    rows = [
        [spaced(name), number(score["source"], ".1f"), number(score["random"], ".1f"), score["vote"] or "-"]
        for name, score in forecast["scores"].items()
    ]
    titles = numbers("z of the source's features", "z of random weights")
    return Table([Column("forecast by"), *titles, Column("vote")], rows)


def candidates_table(verdict: Metrics) -> Table:
    """A row a candidate of an adaptation: what the choice saw of it, and how good it was, means over folds."""
    told = [key for key in ("balanced_accuracy", "accuracy") if all(key in row for row in verdict["candidates"])]
    rows = [
        [
            spaced(row["method"]) if row["strength"] is None else f"{spaced(row['method'])}, {row['strength']:g}",
            number(row["criterion"]),
            *(number(row[key]) for key in told),
            str(row["folds_chosen"]),
        ]
        for row in verdict["candidates"]
    ]
    titles = ["criterion, without labels", *(f"{QUALITIES[key]}, told after the choice" for key in told)]
    return Table([Column("tried (strength)"), *numbers(*titles, "chosen in folds")], rows)


def _gain_row(what: str, judged: Metrics, control: bool) -> list[str]:
    p = [number(judged[key], ".2g") for key in ("p", "p_holm", "p_mcnemar")]
    alone = "" if control or judged["p_holm"] is not None else " (by its own p)"
    evidence = f"{judged['evidence']}{alone}"
    return [what, interval(judged), evidence, *p, number(judged["smallest_detectable_gain"]), _needed(judged)]


def _needed(judged: Metrics) -> str:
    """How much testing would have shown the observed gain; a dash where that is known or was not needed."""
    images, folds = judged["images_needed"], judged["folds_needed"]
    return "-" if images is None or folds is None else f"{images:,} images in {folds:,} folds"


def spending_table(entry: Metrics, clocks: Metrics, third: Metrics | None = None) -> Table:
    """A row for each step that cost something; what was paid once, for all that share it, is named apart.

    Args:
        clocks: of the entry, from cost.json: step -> seconds, cpu_seconds, peak_memory_mb, device.
        third: the third reading's `gflops`, `backward_gflops` and `images_seen`, where there is one.
    """
    spent, rows = entry["compute"], []  # rows: what, GFLOPs, backward, of which sweep, images seen, clock
    if "pretraining_gflops" in spent:
        clock = clocks["pretrain" if "pretrain" in clocks else "source"]
        gflops, backward, share, images = (
            paid_once(spent[f"pretraining_{what}"], spent["pretraining_reason"])
            for what in ("gflops", "backward_gflops", "share_gflops", "images_seen")
        )
        rows.append(["the source (before, and not counted as spent)", gflops, backward, None, images, clock])
        if share != gflops:
            part = f"the source, shared by {spent['pretraining_shared_by']}: one part"
            rows.append([part, share, None, None, None, None])
    if "forecast" in entry:
        what = "forecast (random weights beside the source; not counted as spent)"
        rows.append([what, entry["forecast"]["gflops"], 0, None, None, clocks["forecast"]])
    if "extract_gflops" in spent:
        rows.append(["extract (frozen layers, once)", spent["extract_gflops"], 0, None, None, clocks["extract"]])
    if "gflops" in spent:
        both, images = [spent["gflops"], spent["backward_gflops"][entry["arm"]]], spent.get("images_seen")
        rows.append(["adapt (everything tried)", *both, None, images, clocks["adapt"]])
    if third is not None:
        what = "rescaled (for the third reading)"
        rows.append([what, third["gflops"], third["backward_gflops"], None, third["images_seen"], clocks["rescale"]])
    parts = ("backward_gflops", "sweep_gflops", "images_seen")
    rows += [
        [arm, spent[f"{arm}_gflops"], *(spent[part][arm] for part in parts), clocks[STAGES[arm]]]
        for arm in STAGES
        if arm in entry["arms"]
    ]
    counts = ("GFLOPs", "of them backward", "of them in settings not kept", "images seen")
    times = ("seconds", "CPU-seconds", "peak memory (MB)")
    return Table(
        [Column("spent on"), *numbers(*counts, *times), Column("device")],
        [_spending_row(*row, clock=clock) for *row, clock in rows],
    )


def _spending_row(what: str, *values: float | str | None, clock: Metrics | None) -> list[str]:
    counts = ["" if value is None else value if isinstance(value, str) else f"{value:,.0f}" for value in values]
    if clock is None:
        return [what, *counts, "", "", "", ""]
    times = [number(clock[key], ",.0f") for key in ("seconds", "cpu_seconds", "peak_memory_mb")]
    return [what, *counts, *times, clock["device"] + (" (a GPU was idle)" if clock.get("idle_gpus") else "")]
