"""Rows of `dvc plots`: one table a plot, over all questions, with the name and control of each."""

from collections.abc import Mapping

import pandas as pd

from pipeline.report.summary import group_of, in_order
from pipeline.results.result import Interval, Result
from pipeline.results.run import Run

PLOTS = ("learning_curves", "saving", "roc", "confusion", "calibration")
CONVERGED, EQUAL_COMPUTE, UNADAPTED = "converged", "equal compute", "over source only"
Rows = Mapping[str, Mapping[str, pd.DataFrame]]


def gain_rows(run: Run) -> pd.DataFrame:
    """Rows of the forest plot: question, control, role, reading, gain, ci_low, ci_high; controls last."""
    return pd.DataFrame(
        [
            {"question": name, "control": result.control or "", "role": group_of(result), "reading": reading}
            | {key: getattr(gain, key) for key in Interval.model_fields}
            for name, result in in_order(run).items()
            for reading, gain in _readings(result)
        ],
        columns=["question", "control", "role", "reading", *Interval.model_fields],
    )


def _readings(result: Result) -> list[tuple[str, Interval]]:
    if result.kind == "adaptation":
        return [(UNADAPTED, result)]
    if result.control or result.equal_compute is None:
        return [(CONVERGED, result)]  # a control is judged by this reading
    return [(CONVERGED, result), (EQUAL_COMPUTE, result.equal_compute)]


def plot_tables(run: Run, rows: Rows) -> dict[str, pd.DataFrame]:
    """One table a plot, over all questions.

    Args:
        rows: question -> plot -> its rows; an adaptation has no learning curves and no saving curve.
    """
    tables = {"gain": gain_rows(run)}
    for plot in PLOTS:
        parts = [
            plots[plot].assign(question=name, control=run.results[name].control or "")
            for name, plots in rows.items()
            if plot in plots
        ]
        if parts:
            table = pd.concat(parts, ignore_index=True)
            if plot == "confusion":  # DVC's template counts every row: only those of each question's judged arm
                table = table[table["arm"] == table["question"].map(lambda name: run.results[name].arm)]
            tables[plot] = table
    return tables
