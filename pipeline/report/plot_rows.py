"""Rows of `dvc plots`: one table a plot, over all questions, with the name and control of each."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipeline.report.summary import group_of, in_order
from pipeline.results.result import Interval, Reading, Result
from pipeline.results.run import Run

PLOTS = ("learning_curves", "saving", "roc", "confusion", "calibration")
AT_ITS_END, EQUAL_COMPUTE, UNADAPTED = "end of training", "equal compute", "over source only"  # of the reference arm
# twice 0: every curve rises from there
FALSE_POSITIVE_RATES = np.concatenate([[0.0], np.linspace(0, 1, 101)])
Rows = Mapping[str, Mapping[str, pd.DataFrame]]


def gain_rows(run: Run) -> pd.DataFrame:
    """Rows of the forest plot: question, control, role, reading, gain, ci_low, ci_high, evidence; controls last."""
    return pd.DataFrame(
        [
            {"question": name, "control": result.control or "", "role": group_of(result), "reading": reading}
            | {key: getattr(gain, key) for key in Interval.model_fields}
            | {"evidence": gain.evidence}
            for name, result in in_order(run).items()
            for reading, gain in _readings(result)
        ],
        columns=["question", "control", "role", "reading", *Interval.model_fields, "evidence"],
    )


def _readings(result: Result) -> list[tuple[str, Reading]]:
    if result.kind == "adaptation":
        return [(UNADAPTED, result)]
    if result.control or result.equal_compute is None:
        return [(AT_ITS_END, result)]  # a control is judged by this reading
    return [(AT_ITS_END, result), (EQUAL_COMPUTE, result.equal_compute)]


def plot_tables(run: Run, rows: Rows) -> dict[str, pd.DataFrame]:
    """One table a plot, over all questions.

    Args:
        rows: question -> plot -> its rows; an adaptation has no learning curves and no saving curve.
    """
    tables = {"gain": gain_rows(run)}
    for plot in PLOTS:
        parts = [
            (mean_roc(plots[plot]) if plot == "roc" else plots[plot]).assign(
                question=name, control=run.results[name].control or ""
            )
            for name, plots in rows.items()
            if plot in plots
        ]
        if parts:
            table = pd.concat(parts, ignore_index=True)
            tables[plot] = confusion_counts(table, run) if plot == "confusion" else table
    return tables


def confusion_counts(rows: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Counts of each question's judged arm: question, control, arm, actual, predicted, images; classes sorted.

    Args:
        rows: question, control, arm, actual, predicted of every image.
    """
    judged = rows[rows["arm"] == rows["question"].map(lambda name: run.results[name].arm)]
    columns = ["question", "control", "arm", "actual", "predicted"]
    parts = (part.groupby(columns).size() for _, part in judged.groupby("question", sort=False))
    return pd.concat(parts).rename("images").reset_index()


def mean_roc(rows: pd.DataFrame) -> pd.DataFrame:
    """An arm's mean ROC curve over classes, each against the rest; the rows as they are where there is one such class.

    Args:
        rows: arm, positive, false_positive_rate, true_positive_rate.

    Returns:
        The same columns; `positive` names a mean as such.
    """
    classes = rows["positive"].nunique()
    if classes < 2:
        return rows
    parts = []
    for arm, table in rows.groupby("arm", sort=False):
        curves = np.stack([_on_grid(curve) for _, curve in table.groupby("positive")])
        mean = {"false_positive_rate": FALSE_POSITIVE_RATES, "true_positive_rate": curves.mean(0), "arm": arm}
        parts.append(pd.DataFrame({"positive": f"mean of {classes} classes", **mean}))
    return pd.concat(parts, ignore_index=True)


def _on_grid(curve: pd.DataFrame) -> np.ndarray:
    """True positive rates of a ROC curve at FALSE_POSITIVE_RATES; 0 at the first, where all curves begin."""
    highest = curve.groupby("false_positive_rate")["true_positive_rate"].max()
    found = np.interp(FALSE_POSITIVE_RATES, highest.index, highest)
    found[0] = 0.0
    return found
