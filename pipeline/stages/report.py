"""report: all verdicts that params name, never those that merely lie about, as metrics, plots and pages."""

from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.frame.io import check_sealed, read_json, read_parquet, replacing_folder, write_csv, write_json, write_text
from pipeline.frame.params import Params
from pipeline.frame.paths import Paths
from pipeline.reporting import figures
from pipeline.reporting.render import render
from pipeline.reporting.summary import summarise

TRACKS = ("run", "datasets", "targets", "sources", "baselines", "transfers", "verdict")
PLOTS = ("learning_curves", "roc", "confusion", "calibration")
LABELS = ("positive", "actual", "predicted")  # the plots' columns that hold a target's labels
CLOCKED = {"source": "source", "extract": None, "head": None, "tune": None, "scratch": "baseline"}


def gain_rows(metrics: dict[str, Any], transfers: list[str]) -> pd.DataFrame:
    """Rows of the gain plot: transfer, reading (converged or equal compute), gain, ci_low, ci_high."""
    readings = [("converged", lambda entry: entry), ("equal compute", lambda entry: entry["equal_compute"])]
    return pd.DataFrame(
        [
            {
                "transfer": name,
                "reading": reading,
                **{key: part(metrics[name])[key] for key in ("gain", "ci_low", "ci_high")},
            }
            for name in transfers
            for reading, part in readings
        ]
    )


def plot_rows(path: Path) -> pd.DataFrame:
    """Read the rows of a plot; labels stay the text that they are, also `01` and `NA`."""
    return pd.read_csv(path, dtype=dict.fromkeys(LABELS, str), keep_default_na=False, na_values=[""])


def costs(params: Params, paths: Paths) -> dict[str, Any]:
    """The content of reports/cost.json: for every transfer the clock of each stage that it rests on."""
    return {
        name: {
            stage: read_json(paths.clock(stage, getattr(transfer, field) if field else name))
            for stage, field in CLOCKED.items()
        }
        for name, transfer in params.transfers.items()
    }


def dataset_facts(name: str, paths: Paths) -> dict[str, Any]:
    """What the report says of a dataset: its card, counts, what was set aside."""
    files = paths.dataset(name)
    check_sealed(files.folder)
    manifest = read_parquet(files.manifest)
    return {
        "card": read_json(files.card),
        "images": len(manifest),
        "quarantined": len(pd.read_csv(files.quarantine)),
        "groups": int(manifest["group"].nunique()),
        "near_duplicates": int(manifest["cluster"].duplicated(keep=False).sum()),
    }


def transfer_figures(verdict: dict[str, Any], rows: dict[str, pd.DataFrame]) -> dict[str, str]:
    """SVG texts of one transfer's section."""
    return {
        "curves": figures.curves_figure(rows["learning_curves"]),
        "roc": figures.roc_figure(rows["roc"]),
        "calibration": figures.calibration_figure(rows["calibration"]),
        "confusion": figures.confusion_figure(verdict["confusion"], verdict["classes"]),
    }


def run(params: Params, paths: Paths, name: str) -> str:
    """Read every transfer's verdict, write metrics.json, cost.json, plots, report.md and report.html."""
    transfers = list(params.transfers)
    files = {transfer: paths.transfer(transfer) for transfer in transfers}
    for file in files.values():
        check_sealed(file.folder)
    verdicts = {transfer: read_json(file.verdict) for transfer, file in files.items()}
    metrics = summarise(verdicts, {transfer: read_json(file.metrics) for transfer, file in files.items()}, params)
    rows = {t: {plot: plot_rows(file.plot(plot)) for plot in PLOTS} for t, file in files.items()}
    gains, cost = gain_rows(metrics, transfers), costs(params, paths)
    write_json(paths.report_metrics, metrics)
    write_json(paths.report_cost, cost)
    with replacing_folder(paths.plots) as folder:
        write_csv(folder / "gain.csv", gains)
        for plot in PLOTS:
            table = pd.concat([rows[t][plot].assign(transfer=t) for t in transfers], ignore_index=True)
            if plot == "confusion":  # DVC's template counts every row: only those of each transfer's last arm
                table = table[table["arm"] == table["transfer"].map(lambda t: metrics[t]["arm"])]
            write_csv(folder / f"{plot}.csv", table)
    context = {
        "params": params,
        "metrics": metrics,
        "verdicts": verdicts,
        "cost": cost,
        "datasets": {dataset: dataset_facts(dataset, paths) for dataset in params.datasets},
        "sources": {source: read_json(paths.source(source).card) for source in params.sources},
        "gain_figure": figures.gain_figure(gains),
        "figures": {transfer: transfer_figures(verdicts[transfer], rows[transfer]) for transfer in transfers},
    }
    write_text(paths.report_markdown, render("report.md.j2", context))
    write_text(paths.report_html, render("report.html.j2", context))
    return ", ".join(f"{transfer} {metrics[transfer]['label']}" for transfer in transfers)
