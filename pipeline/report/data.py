"""The content of the report, read from the outputs that params name, never from files that are merely there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.config.params import Params
from pipeline.report.best_baseline import advice
from pipeline.report.disputed import Side, disputed
from pipeline.report.label_issues import LabelIssues, label_issues
from pipeline.report.plot_rows import PLOTS
from pipeline.report.spending import costs
from pipeline.report.studies import study
from pipeline.report.summary import forecast_transfer, summarise
from pipeline.results.result import details_of, read_result
from pipeline.results.run import Run
from pipeline.store.errors import InputError
from pipeline.store.files import read_json, read_npy, read_parquet, sha256_file
from pipeline.store.outs import DatasetPaths, QuestionPaths
from pipeline.store.paths import Paths

Json = Mapping[str, Any]
LABELS = ("positive", "actual", "predicted")  # the plots' columns that hold a target's labels


@dataclass(frozen=True)
class ReportData:
    """All results of a run and, for the sections that show more than metrics.json has, the rest.

    Attributes:
        params: None where only metrics.json is read. cost: the content of cost.json. forecasts: question -> the content
            of forecast.json. plots: question -> plot -> rows. disputed: question -> images on which its arms disagree.
        datasets: name -> its card, and counts of images. cards: source -> its card.
        leakage: what the stage of that name found (found.csv), with the group of every tested image.
    """

    run: Run
    params: Params | None = None
    cost: Mapping[str, Json] = field(default_factory=dict)
    forecasts: Mapping[str, Json] = field(default_factory=dict)
    plots: Mapping[str, Mapping[str, pd.DataFrame]] = field(default_factory=dict)
    disputed: Mapping[str, Sequence[Side]] = field(default_factory=dict)
    datasets: Mapping[str, Json] = field(default_factory=dict)
    cards: Mapping[str, Json] = field(default_factory=dict)
    label_issues: Sequence[LabelIssues] = ()
    leakage: pd.DataFrame | None = None


def read_report_data(params: Params, paths: Paths) -> ReportData:
    """Read everything that the report shows, and work out the run's summary and its studies of labels.

    Raises:
        InputError: another version of this program wrote a result, or a forecast was changed after training.
    """
    files = {name: paths.question(name) for name in params.questions}
    results = {name: read_result(question.result) for name, question in files.items()}
    cards = {name: read_json(paths.source(name).card) for name in (*params.sources, *params.pretrained)}
    forecasts = {}
    for name, result in results.items():
        if transfer := forecast_transfer(name, params):
            file = paths.forecast(transfer).forecast
            check_unchanged(file, transfer, details_of(result).folds["head"])
            forecasts[name] = read_json(file)
    predictions = {name: read_parquet(question.predictions) for name, question in files.items()}
    found = advice(results, predictions, params)
    results = {name: result.model_copy(update={"advice": found.get(name)}) for name, result in results.items()}
    run, studies = summarise(results, forecasts, cards, params), {}
    for name in params.studies:
        studies[name] = study(name, run.results, predictions, params)
    manifests = {name: read_parquet(paths.dataset(name).manifest) for name in params.datasets}
    images = {name: read_npy(paths.dataset(name).images) for name in params.datasets}
    places = {name: params.targets[question.target].dataset for name, question in params.questions.items()}
    return ReportData(
        run=run.model_copy(update={"studies": studies}),
        params=params,
        cost=costs(params, lambda stage, name: read_json(paths.clock(stage, name))),
        forecasts=forecasts,
        plots={name: read_plots(question) for name, question in files.items()},
        disputed={
            name: disputed(result, predictions[name], manifests[places[name]], images[places[name]])
            for name, result in results.items()
        },
        datasets={name: dataset_facts(paths.dataset(name), manifest) for name, manifest in manifests.items()},
        cards=cards,
        label_issues=label_issues(results, predictions, manifests, images, params),
        leakage=with_groups(pd.read_csv(paths.leakage.found), manifests, params),
    )


def with_groups(found: pd.DataFrame, manifests: Mapping[str, pd.DataFrame], params: Params) -> pd.DataFrame:
    """What the stage leakage found, with the group of each tested image."""
    groups = {name: dict(zip(manifest["name"], manifest["group"], strict=True)) for name, manifest in manifests.items()}
    tested = zip(found["target"], found["image"], strict=True)
    own = [groups[params.targets[target].dataset].get(image) for target, image in tested]
    return found.assign(group=pd.Series(own, index=found.index, dtype=object))


def check_unchanged(forecast: Path, transfer: str, folds: Sequence[Json]) -> None:
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
    """The rows of those plots that a question has; labels such as `01` and `NA` stay text."""
    labels = dict.fromkeys(LABELS, str)
    return {
        plot: pd.read_csv(files.plot(plot), dtype=labels, keep_default_na=False, na_values=[""])
        for plot in PLOTS
        if files.plot(plot).exists()
    }


def dataset_facts(files: DatasetPaths, manifest: pd.DataFrame) -> dict[str, Any]:
    """The card of a dataset, and counts of its images, quarantined images, groups and near-duplicates."""
    card = read_json(files.card)
    return {
        "card": card,
        "images": len(manifest),
        "quarantined": len(pd.read_csv(files.quarantine)) - card.get("merged_copies", 0),
        "groups": int(manifest["group"].nunique()),
        "near_duplicates": int(manifest["cluster"].duplicated(keep=False).sum()),
    }
