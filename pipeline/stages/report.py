"""report: the results of all questions that params name, as metrics, plots and pages."""

from contextlib import ExitStack

from pipeline.config.params import Params
from pipeline.report import render
from pipeline.report.data import read_report_data
from pipeline.report.label_issues import issues_table
from pipeline.report.language import speaking
from pipeline.report.plot_rows import plot_tables
from pipeline.report.sections import all_sections, forest
from pipeline.report.summary import headlines
from pipeline.store.files import replacing, replacing_folder, write_csv, write_json, write_text
from pipeline.store.paths import Paths


def run(params: Params, paths: Paths, name: str) -> str:
    """Read every result, write the metrics, plots and pages.

    A failure, such as a full disk, leaves the last report whole.
    """
    data = read_report_data(params, paths)
    metrics, verdicts, tables = data.run.metrics(), headlines(data.run), plot_tables(data.run, data.plots)
    with speaking(params.report.language):
        sections = all_sections(data)
        pages = {paths.report_markdown: render.markdown(sections), paths.report_html: render.html(sections)}
        pages[paths.report_gain] = forest.file(data.run)
    tabular = (paths.report_metrics, paths.report_verdicts, paths.report_cost, paths.report_label_issues)
    with ExitStack() as whole:  # all are written before the first takes its place
        new = {path: whole.enter_context(replacing(path)) for path in (*tabular, *pages)}
        write_json(new[paths.report_metrics], metrics)
        write_json(new[paths.report_verdicts], verdicts)
        write_json(new[paths.report_cost], data.cost)
        write_csv(new[paths.report_label_issues], issues_table(data.label_issues))
        for path, page in pages.items():
            write_text(new[path], page)
        folder = whole.enter_context(replacing_folder(paths.plots))
        for plot, table in tables.items():
            write_csv(folder / f"{plot}.csv", table)
    state = data.run.facts.controls
    labels = ", ".join(f"{question} {result.label}" for question, result in data.run.results.items())
    return labels + (f"; controls {state}" if state else "")
