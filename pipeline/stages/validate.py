"""validate: check a dataset's manifest against its expectations; stop the run where one fails."""

from pipeline.config.params import Params
from pipeline.datasets import expectations
from pipeline.store.files import read_parquet, write_json, write_text
from pipeline.store.paths import Paths


def run(params: Params, paths: Paths, name: str) -> str:
    """Write the report and its pages, then raise if an expectation failed, so that the report survives a failure."""
    dataset, manifest = params.datasets[name], read_parquet(paths.dataset(name).manifest)
    targets = {target: entry for target, entry in params.targets.items() if entry.dataset == name}
    suite = expectations.rules(dataset, targets, params.run)
    report, pages = expectations.check(name, suite, expectations.tables(manifest, dataset.labels, targets))
    report["near_duplicates"] = expectations.label_conflicts(manifest, dataset.labels)
    write_json(paths.validation(name), report)
    for table, page in pages.items():
        write_text(paths.data_docs(name) / f"{table}.html", page)
    expectations.gate(report, paths.validation(name))
    return f"{len(report['expectations'])} expectations hold"
