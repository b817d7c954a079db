"""Read what a report is made of: files of what params name, never those that are merely there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.config.params import Params
from pipeline.report.plots import PLOTS
from pipeline.report.summary import forecast_transfer
from pipeline.results.result import Result, details_of, read_result
from pipeline.store.errors import InputError
from pipeline.store.files import read_json, read_parquet, sha256_file
from pipeline.store.outs import QuestionPaths
from pipeline.store.paths import Paths

LABELS = ("positive", "actual", "predicted")  # the plots' columns that hold a target's labels


def read_results(params: Params, paths: Paths) -> dict[str, Result]:
    """The results of all questions, in the order of params.

    Raises:
        InputError: another version of this program wrote one.
    """
    return {name: read_result(paths.question(name).result) for name in params.questions}


def read_forecasts(params: Params, paths: Paths, results: Mapping[str, Result]) -> dict[str, dict[str, Any]]:
    """The forecasts of the transfers that questions ask about: transfer -> the content of forecast.json.

    Raises:
        InputError: a forecast is not the one that was there before the transfer's head was trained.
    """
    forecasts = {}
    for name, result in results.items():
        if transfer := forecast_transfer(name, params):
            file = paths.forecast(transfer).forecast
            check_unchanged(file, transfer, details_of(result).folds["head"])
            forecasts[transfer] = read_json(file)
    return forecasts


def check_unchanged(forecast: Path, transfer: str, folds: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a forecast that is not the one that every fold of the head found when it was trained.

    Raises:
        InputError: with both sha256.
    """
    found = sha256_file(forecast)
    for fold in folds:
        if fold["forecast_sha256"] != found:
            raise InputError(
                f"{forecast} was changed after the head of '{transfer}' was trained: sha256 {found[:12]}, at training "
                f"{fold['forecast_sha256'][:12]}. Run `dvc repro`: it forecasts first and trains the head after that."
            )


def read_plots(files: QuestionPaths) -> dict[str, pd.DataFrame]:
    """The rows of those plots that a question has; labels stay text as it is, also `01` and `NA`."""
    labels = dict.fromkeys(LABELS, str)
    return {
        plot: pd.read_csv(files.plot(plot), dtype=labels, keep_default_na=False, na_values=[""])
        for plot in PLOTS
        if files.plot(plot).exists()
    }


def read_contact_sheets(params: Params, paths: Paths) -> dict[str, bytes]:
    """The contact sheets of the questions that have one, as WebP."""
    files = {name: paths.question(name).contact_sheet for name in params.questions}
    return {name: file.read_bytes() for name, file in files.items() if file.exists()}


def read_cards(params: Params, paths: Paths) -> dict[str, Any]:
    """The cards of all sources, given and made here."""
    return {name: read_json(paths.source(name).card) for name in (*params.sources, *params.pretrained)}


def dataset_facts(name: str, paths: Paths) -> dict[str, Any]:
    """The card of a dataset, and counts of its images, of those set aside, groups and near-duplicates."""
    files = paths.dataset(name)
    manifest = read_parquet(files.manifest)
    return {
        "card": read_json(files.card),
        "images": len(manifest),
        "quarantined": len(pd.read_csv(files.quarantine)),
        "groups": int(manifest["group"].nunique()),
        "near_duplicates": int(manifest["cluster"].duplicated(keep=False).sum()),
    }
