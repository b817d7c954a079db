"""report: all verdicts that params name, never those that merely lie about, as metrics, plots and pages."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.config.params import Params
from pipeline.reporting.figures import gain_figure
from pipeline.reporting.pages import contact_figure, gain_rows, page, transfer_figures
from pipeline.reporting.render import render
from pipeline.reporting.studies import STUDIES
from pipeline.reporting.summary import cells, controls_of, headlines, summarise
from pipeline.store.errors import InputError
from pipeline.store.files import (
    read_json,
    read_parquet,
    replacing_folder,
    sha256_file,
    write_csv,
    write_json,
    write_text,
)
from pipeline.store.outs import TransferPaths
from pipeline.store.paths import Paths

PLOTS = ("learning_curves", "saving", "roc", "confusion", "calibration")
LABELS = ("positive", "actual", "predicted")  # the plots' columns that hold a target's labels


def plot_rows(files: TransferPaths) -> dict[str, pd.DataFrame]:
    """Read the rows of those plots that there are; labels stay the text that they are, also `01` and `NA`."""
    labels = dict.fromkeys(LABELS, str)
    return {
        plot: pd.read_csv(files.plot(plot), dtype=labels, keep_default_na=False, na_values=[""])
        for plot in PLOTS
        if files.plot(plot).exists()  # an adaptation has no learning curves and no saving
    }


def clocks(params: Params) -> dict[str, dict[str, tuple[str, str]]]:
    """For everything that has a verdict, the steps that it rests on: step -> (stage, cell)."""

    def source(name: str) -> dict[str, tuple[str, str]]:
        stage = "pretrain" if name in params.pretrained else "source"
        return {stage: (stage, name)}

    steps = {
        name: source(transfer.source)
        | {stage: (stage, name) for stage in ("extract", "forecast", "head", "tune")}
        | {"scratch": ("scratch", transfer.baseline)}
        for name, transfer in params.transfers.items()
    }
    for name, rescaled in params.rescaled.items():
        steps[rescaled.transfer]["rescale"] = ("rescale", name)
    steps |= {name: source(entry.source) | {"adapt": ("adapt", name)} for name, entry in params.adaptations.items()}
    return steps | {
        name: {"again": ("scratch", null.again), "scratch": ("scratch", null.baseline)}
        for name, null in params.nulls.items()
    }


def costs(params: Params, paths: Paths) -> dict[str, Any]:
    """The content of reports/cost.json: for every verdict the clock of each step that it rests on.

    A control has its flag beside them, under `control`.
    """
    flags = {name: {"control": control} for name, control in controls_of(params).items()}
    return {
        name: {step: read_json(paths.clock(*cell)) for step, cell in steps.items()} | flags.get(name, {})
        for name, steps in clocks(params).items()
    }


def add_attributions(
    params: Params, paths: Paths, verdicts: dict[str, dict[str, Any]], metrics: dict[str, dict[str, Any]]
) -> None:
    """Put the third reading of a transfer, where params ask for one, beside its others: `attribution`, and its arm."""
    for name, entry in params.rescaled.items():
        files = paths.transfer(name)
        verdicts[entry.transfer]["attribution"] = {"rescaled": name, **read_json(files.verdict)}
        metrics[entry.transfer] |= read_json(files.metrics)


def studies(params: Params, paths: Paths, controls: str | None) -> dict[str, Any]:
    """What metrics.json has beside the verdicts: an entry for the studies, where there are any.

    Args:
        controls: how the controls of the run stand; where they failed, every study says so, as every verdict does.
    """
    files = {name: paths.transfer(name) for name in params.studies}
    flag = {"controls": controls} if controls == "failed" else {}
    return {STUDIES: {name: read_json(file.verdict) | flag for name, file in files.items()}} if files else {}


def forecasts(params: Params, paths: Paths, verdicts: Mapping[str, Any]) -> dict[str, Any]:
    """What was forecast of every transfer.

    Args:
        verdicts: the content of verdict.json of every transfer.

    Raises:
        InputError: a forecast is not the one that was there before the transfer's head was trained.
    """
    files = {name: paths.forecast(name) for name in params.transfers}
    for name, file in files.items():
        check_told_before(file.forecast, name, verdicts[name]["folds"]["head"])
    return {name: read_json(file.forecast) for name, file in files.items()}


def check_told_before(forecast: Path, transfer: str, folds: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a forecast that is not the one that every fold of the head had found.

    Raises:
        InputError: with both sha256.
    """
    found = sha256_file(forecast)
    for fold in folds:
        if fold["forecast_sha256"] != found:
            raise InputError(
                f"{forecast} is not the forecast that was there before the head of '{transfer}' was trained: sha256 "
                f"{found[:12]}, at training {fold['forecast_sha256'][:12]}. It was changed after training. Run "
                "`dvc repro`: what is forecast is told first, and the head trained after it."
            )


def cards(params: Params, paths: Paths) -> dict[str, Any]:
    """The cards of all sources, those that are there and those that were made."""
    return {name: read_json(paths.source(name).card) for name in (*params.sources, *params.pretrained)}


def dataset_facts(name: str, paths: Paths) -> dict[str, Any]:
    """What the report says of a dataset: its card, counts, what was set aside."""
    files = paths.dataset(name)
    manifest = read_parquet(files.manifest)
    return {
        "card": read_json(files.card),
        "images": len(manifest),
        "quarantined": len(pd.read_csv(files.quarantine)),
        "groups": int(manifest["group"].nunique()),
        "near_duplicates": int(manifest["cluster"].duplicated(keep=False).sum()),
    }


def write_plots(plots: Path, gains: pd.DataFrame, rows: dict[str, dict[str, pd.DataFrame]], metrics: dict) -> None:
    """Write the rows of `dvc plots`: one file a plot, with the transfer and its control, if it is one, in every row."""
    with replacing_folder(plots) as folder:
        write_csv(folder / "gain.csv", gains)
        for plot in PLOTS:
            parts = [
                of[plot].assign(transfer=name, control=metrics[name].get("control", ""))
                for name, of in rows.items()
                if plot in of
            ]
            table = pd.concat(parts, ignore_index=True)
            if plot == "confusion":  # DVC's template counts every row: only those of each transfer's last arm
                table = table[table["arm"] == table["transfer"].map(lambda name: metrics[name]["arm"])]
            write_csv(folder / f"{plot}.csv", table)


def run(params: Params, paths: Paths, name: str) -> str:
    """Read every verdict, write metrics.json, verdicts.json, cost.json, plots, report.md and report.html."""
    files = {cell: paths.transfer(cell) for cell in cells(params)}
    verdicts = {cell: read_json(file.verdict) for cell, file in files.items()}
    of_arms, made = {cell: read_json(file.metrics) for cell, file in files.items()}, cards(params, paths)
    add_attributions(params, paths, verdicts, of_arms)
    told = forecasts(params, paths, verdicts)
    metrics = summarise(verdicts, of_arms, made, told, params)
    metrics |= studies(params, paths, metrics["run"]["controls"])
    rows = {cell: plot_rows(file) for cell, file in files.items()}
    gains, cost = gain_rows(metrics), costs(params, paths)
    write_json(paths.report_metrics, metrics)
    write_json(paths.report_verdicts, headlines(metrics))
    write_json(paths.report_cost, cost)
    write_plots(paths.plots, gains, rows, metrics)
    datasets = {dataset: dataset_facts(dataset, paths) for dataset in params.datasets}
    figures = {cell: transfer_figures(verdicts[cell], rows[cell], params.verdict.metric) for cell in files}
    for cell, file in files.items():
        if file.contact_sheet.exists():
            dataset = datasets[params.targets[metrics[cell]["target"]].dataset]
            figures[cell].append(contact_figure(file.contact_sheet.read_bytes(), metrics[cell], dataset))
    context = page(params, metrics, verdicts, cost, datasets, made, told, figures) | {"gain_figure": gain_figure(gains)}
    write_text(paths.report_markdown, render("report.md.j2", context))
    write_text(paths.report_html, render("report.html.j2", context))
    state = metrics["run"]["controls"]
    return ", ".join(f"{cell} {metrics[cell]['label']}" for cell in files) + (f"; controls {state}" if state else "")
