"""report: the results of all questions that params name, as metrics, plots and pages."""

from pipeline.config.params import Params
from pipeline.report import reading, render
from pipeline.report.costs import costs
from pipeline.report.figures import forest_plot
from pipeline.report.material import Material
from pipeline.report.plots import gain_rows, plot_tables
from pipeline.report.sections import all_sections
from pipeline.report.studies import study
from pipeline.report.summary import forecast_transfer, headlines, summarise
from pipeline.results.run import Run, Study
from pipeline.store.files import read_json, read_parquet, replacing_folder, write_csv, write_json, write_text
from pipeline.store.paths import Paths


def studies(params: Params, paths: Paths, run: Run) -> dict[str, Study]:
    """Work out the studies of labels, from what their questions predicted."""
    found = {}
    for name, entry in params.studies.items():
        predictions = {question: read_parquet(paths.question(question).predictions) for question in entry.questions}
        found[name] = study(name, run.results, predictions, params)
    return found


def gather(params: Params, paths: Paths) -> Material:
    """Read everything that the report shows."""
    results, cards = reading.read_results(params, paths), reading.read_cards(params, paths)
    forecasts = reading.read_forecasts(params, paths, results)
    run = summarise(results, forecasts, cards, params)
    transfers = {name: transfer for name in results if (transfer := forecast_transfer(name, params))}
    return Material(
        run=run.model_copy(update={"studies": studies(params, paths, run)}),
        params=params,
        cost=costs(params, lambda stage, name: read_json(paths.clock(stage, name))),
        forecasts={name: forecasts[transfer] for name, transfer in transfers.items()},
        plots={name: reading.read_plots(paths.question(name)) for name in results},
        contact_sheets=reading.read_contact_sheets(params, paths),
        datasets={dataset: reading.dataset_facts(dataset, paths) for dataset in params.datasets},
        cards=cards,
    )


def run(params: Params, paths: Paths, name: str) -> str:
    """Read every result, write metrics.json, verdicts.json, cost.json, plots, report.md, report.html and gain.svg."""
    material = gather(params, paths)
    write_json(paths.report_metrics, material.run.metrics())
    write_json(paths.report_verdicts, headlines(material.run))
    write_json(paths.report_cost, material.cost)
    with replacing_folder(paths.plots) as folder:
        for plot, table in plot_tables(material.run, material.plots).items():
            write_csv(folder / f"{plot}.csv", table)
    sections = all_sections(material)
    write_text(paths.report_markdown, render.markdown(sections))
    write_text(paths.report_html, render.html(sections))
    write_text(paths.report_gain, forest_plot(gain_rows(material.run), material.run.facts.metric))
    state = material.run.facts.controls
    labels = ", ".join(f"{question} {result.label}" for question, result in material.run.results.items())
    return labels + (f"; controls {state}" if state else "")
