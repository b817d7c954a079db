"""Draw the report's figures as SVG text, byte for byte reproducible.

Those of the page take its colours, light or dark. `gain.svg` stands by itself, on white.
"""

import io
import warnings
from collections.abc import Mapping
from textwrap import fill
from typing import Any

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.figure import Figure

from pipeline.report.language import retold, say
from pipeline.report.palette import LIGHT, themed
from pipeline.report.plot_rows import AT_ITS_END, EQUAL_COMPUTE, UNADAPTED, mean_roc
from pipeline.report.words import metric_name, spaced
from pipeline.results.run import Study

STYLE: Any = {
    "svg.hashsalt": "transfer-verdict",  # element ids do not change from run to run
    "svg.fonttype": "none",  # text stays text
    "figure.facecolor": "none",  # the page's
    "axes.facecolor": "none",
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), LIGHT["ink"]),
    **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), LIGHT["quiet"]),
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # a browser without it takes its own
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
styled = matplotlib.style.context(["default", STYLE])  # without what a user's matplotlibrc changes
COLOURS = {
    "head": LIGHT["orange"],
    "tuned": LIGHT["blue"],
    "chosen": LIGHT["vermilion"],
    "again": LIGHT["green"],
    "rescaled": LIGHT["green"],
    "scratch": LIGHT["grey"],
    "source_only": LIGHT["grey"],
    "adapted": LIGHT["blue"],
    "coral": LIGHT["purple"],
    "target_supervised": LIGHT["green"],
}
READINGS = {AT_ITS_END: LIGHT["blue"], EQUAL_COMPUTE: LIGHT["orange"], UNADAPTED: LIGHT["green"]}
DASHED = {"chosen": "--"}  # it lies on the line of the arm that it chose
CONTROLS = "controls"
INCHES = (4.0, 3.2)  # a figure is shown in its own size on a screen of 400 pixels
LINE = 40  # characters of a line beside an axis of this height
TYPE = 0.17  # inches: a line of text


@styled
def forest_plot(rows: pd.DataFrame, metric: str) -> str:
    """Forest plot: every gain with its interval; conclusive ones are filled; controls, no findings, are on grey.

    The axis shows every gain, and whole intervals of questions that are no controls; a longer one ends in an arrow.

    Args:
        rows: question, role, reading, gain, ci_low, ci_high, evidence, as `gain_rows` gives them.
    """
    rows = rows.astype(dict.fromkeys(("gain", "ci_low", "ci_high"), "float64"))
    records = rows.to_dict("records")
    said = [say("control" if row["role"] == CONTROLS else row["reading"]) for row in records]
    names = [f"{fill(row['question'], LINE)}\n({kind})" for row, kind in zip(records, said, strict=True)]
    row_height = max(0.35, TYPE * max((name.count("\n") + 1 for name in names), default=1))
    figure, axes = _figure(6.4, 1.2 + row_height * len(rows))
    figure.set_facecolor("white")
    widest = _widest(rows)
    for position, row in enumerate(records):
        colour, control = READINGS[row["reading"]], row["role"] == CONTROLS
        low, high = max(row["ci_low"], -widest), min(row["ci_high"], widest)
        axes.plot([low, high], [position, position], color=colour, linewidth=1 if control else 2)
        filled = row["evidence"] == "conclusive" and not control
        axes.plot([row["gain"]], [position], "o", color=colour, markerfacecolor=colour if filled else "white")
        for end, whole, arrow in ((low, row["ci_low"], "<"), (high, row["ci_high"], ">")):
            if end != whole and not np.isnan(whole):
                axes.plot([end], [position], arrow, color=colour, markersize=4)
        if control:
            axes.axhspan(position - 0.5, position + 0.5, color="#eeeeee", linewidth=0, zorder=0)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(rows)), names, parse_math=False)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(say("gain in {metric}", metric=metric_name(metric)))
    return svg(figure)


def _widest(rows: pd.DataFrame) -> float:
    """The largest distance from 0 on the axis of a forest plot."""
    findings = rows[rows["role"] != CONTROLS] if (rows["role"] != CONTROLS).any() else rows
    largest = float(pd.concat([rows["gain"], findings["ci_low"], findings["ci_high"]]).abs().max())
    return 1.1 * largest if largest > 0 else 1.0


@styled
def saving_figure(rows: pd.DataFrame, metric: str, against: str) -> str:
    """The metric against GFLOPs spent over all folds: steps, in a band from the worst fold to the best.

    The dotted line is the final quality of `against`: where an arm first reaches it, its cost to equal quality can be
    read. Rows of 0 GFLOPs are left out: the axis is logarithmic.

    Args:
        rows: arm, gflops, value, low, high, as `saving_curve` gives them; nan draws no band. metric: in words.
    """
    figure, axes = _figure(*INCHES)
    axes.axhline(rows["value"][rows["arm"] == against].iloc[-1], color=COLOURS[against], linewidth=0.8, linestyle=":")
    for arm, table in _by_arm(rows[rows["gflops"] > 0]):
        spent, band = table["gflops"], {"color": COLOURS[arm], "alpha": 0.15, "linewidth": 0}
        axes.fill_between(spent, table["low"], table["high"], step="post", **band)
        axes.step(spent, table["value"], where="post", color=COLOURS[arm], linewidth=2, label=spaced(arm))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))  # 5k: long numbers touch on a narrow figure
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.set_xlabel(say("GFLOPs spent over all folds"))
    axes.set_ylabel(metric)
    axes.legend()
    return themed(svg(figure))


@styled
def roc_figure(rows: pd.DataFrame) -> str:
    """Out-of-fold ROC curves, a line an arm; of several positive classes the mean.

    Args:
        rows: arm, positive, false_positive_rate, true_positive_rate.
    """
    figure, axes = _figure(3.4, INCHES[1])
    axes.plot([0, 1], [0, 1], color=LIGHT["quiet"], linewidth=0.6, linestyle=":")
    rows = mean_roc(rows)
    for arm, table in _by_arm(rows):
        x, y = table["false_positive_rate"], table["true_positive_rate"]
        axes.plot(x, y, color=COLOURS[arm], label=spaced(arm), linewidth=1.5, linestyle=DASHED.get(arm, "-"))
    axes.set_xlabel(say("false positive rate"))
    name = say("true positive rate")
    if len(rows):
        name = say("true positive rate, {labels}", labels=" ".join(map(retold, rows["positive"].unique())))
    axes.set_ylabel(fill(name, LINE), parse_math=False)
    if len(rows):
        axes.legend(loc="lower right")
    return themed(svg(figure))


@styled
def calibration_figure(rows: pd.DataFrame) -> str:
    """Reliability diagram: points as large as their share of the images; the diagonal is perfect calibration."""
    figure, axes = _figure(3.4, INCHES[1])
    axes.plot([0, 1], [0, 1], color=LIGHT["quiet"], linewidth=0.6, linestyle=":")
    for arm, table in _by_arm(rows):
        line = {"color": COLOURS[arm], "label": spaced(arm), "linestyle": DASHED.get(arm, "-")}
        axes.plot(table["confidence"], table["accuracy"], **line)
        axes.scatter(table["confidence"], table["accuracy"], s=150 * table["weight"], color=COLOURS[arm])
    axes.set_xlim(min(0.5, rows["confidence"].min() - 0.02), 1.01)
    axes.set_xlabel(say("confidence"))
    axes.set_ylabel(say("accuracy"))
    axes.legend(loc="lower right")
    return themed(svg(figure))


@styled
def labels_figure(study: Study, metric: str) -> str:
    """The metric against the share of the labels: a line an arm, its interval as a band."""
    figure, axes = _figure(*INCHES)
    for arm, curve in study.curves.items():
        rows = pd.DataFrame([estimate.model_dump() for estimate in curve]).astype("float64")
        axes.plot(study.fractions, rows["value"], "o-", color=COLOURS[arm], label=spaced(arm), markersize=3)
        axes.fill_between(study.fractions, rows["ci_low"], rows["ci_high"], color=COLOURS[arm], alpha=0.15, lw=0)
    axes.set_xscale("log")
    axes.set_xticks(study.fractions, [f"{fraction:.0%}" for fraction in study.fractions])
    axes.minorticks_off()
    axes.set_xlabel(say("share of the labels"))
    axes.set_ylabel(metric)
    axes.legend()
    return themed(svg(figure))


@styled
def recall_figure(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], listed: int) -> str:
    """Recall at k: a line a kind of what is looked for, dotted in a random order; `listed`: where the list ends.

    Args:
        curves: name -> the share found among the first 0, 1, ..., n images, and the one of a random order.
    """
    figure, axes = _figure(*INCHES)
    axes.axvline(listed, color=LIGHT["rule"], linewidth=1.5)
    for (name, (share, chance)), colour in zip(curves.items(), READINGS.values(), strict=False):
        axes.step(np.arange(len(share)), share, where="post", color=colour, label=fill(name, LINE), linewidth=1.5)
        axes.plot(chance, color=colour, linewidth=0.8, linestyle=":")
    axes.set_xlim(0, None)
    axes.set_xlabel(say("images looked at, in the order of the list"))
    axes.set_ylabel(say("share found"))
    figure.legend(loc="outside lower left")  # names of any length stand below the axes
    return themed(svg(figure))


def _by_arm(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(str(arm), table) for arm, table in rows.groupby("arm", sort=False)]


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def svg(figure: Figure) -> str:
    """The figure as SVG text."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser draws the text, with fonts of its own
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
