"""Paths of all inputs and outputs; this module and `outs.py` alone know the names of the pipeline's files."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.store.outs import (
    DatasetPaths,
    FeaturePaths,
    File,
    Folder,
    ForecastPaths,
    LeakagePaths,
    QuestionPaths,
    SourcePaths,
    SplitPaths,
    TrainedPaths,
)

TRAINED = ("heads", "transfers", "baselines", "rescaled", "adaptations", "unadapted")  # kinds of trained arms


@dataclass(frozen=True)
class Paths(Folder):
    """All paths below one root, the folder of dvc.yaml."""

    folder: Path = Path()

    params = File("params.yaml")
    dvc_yaml = File("dvc.yaml")
    dvc_lock = File("dvc.lock")
    run_lock = File(".locks/repro.lock")  # held by `python -m pipeline repro`
    store = File(".store")  # finished trainings, by what they depend on; in no stage's outputs
    dvc_tmp = File(".dvc/tmp")  # locks of DVC
    code = File("data/code")  # code that trains, without its words
    clocks = File("data/clocks")
    estimate = File("data/estimate.json")  # core-seconds by cell, by `init`
    report_metrics = File("reports/metrics.json")
    report_verdicts = File("reports/verdicts.json")
    report_cost = File("reports/cost.json")
    report_markdown = File("reports/report.md")
    report_html = File("reports/report.html")
    report_gain = File("reports/gain.svg")  # forest plot
    report_label_issues = File("reports/label_issues.csv")  # labels that look wrong
    plots = File("reports/plots")

    @property
    def root(self) -> Path:
        """The folder of dvc.yaml."""
        return self.folder

    def dataset(self, name: str) -> DatasetPaths:
        return DatasetPaths(self.root / "data" / "datasets" / name)

    def quarantine(self, dataset: str) -> Path:
        """Images that a refused ingest left out: beside the outputs, which DVC deletes before every run."""
        return self.root / "data" / "quarantine" / f"{dataset}.csv"

    def data_docs(self, name: str) -> Path:
        """HTML pages of Great Expectations: for reading, no dependency of any stage."""
        return self.root / "data" / "docs" / name

    def message(self, command: str) -> Path:
        """The whole of an error message that was too long to print."""
        return self.root / "data" / "docs" / "messages" / f"{command}.txt"

    def validation(self, name: str) -> Path:
        return self.root / "reports" / "validation" / f"{name}.json"

    def target(self, name: str) -> SplitPaths:
        return SplitPaths(self.root / "data" / "targets" / name)

    @property
    def leakage(self) -> LeakagePaths:
        return LeakagePaths(self.root / "data" / "leakage")

    def source(self, name: str) -> SourcePaths:
        return SourcePaths(self.root / "models" / "sources" / name)

    def features(self, transfer: str) -> FeaturePaths:
        return FeaturePaths(self.root / "data" / "features" / transfer)

    def forecast(self, transfer: str) -> ForecastPaths:
        return ForecastPaths(self.root / "data" / "forecasts" / transfer)

    def trained(self, kind: str, name: str) -> TrainedPaths:
        """kind: one of TRAINED; name: a transfer (heads, transfers), a baseline, a rescaled one, or an adaptation."""
        return TrainedPaths(self.root / "models" / kind / name)

    def question(self, name: str) -> QuestionPaths:
        return QuestionPaths(self.root / "reports" / "questions" / name)

    def clock(self, stage: str, name: str) -> Path:
        """Seconds, memory and device of a cell's last run: the only output that differs between repeated runs.

        Trainings that were found in the store count with the seconds that they took when they were made.
        """
        return self.clocks / stage / f"{name}.json"

    def lock(self, stage: str, name: str) -> Path:
        return self.root / ".locks" / f"{stage}@{name}.lock"

    def judged(self, question: str) -> Path:
        """The numbers of repeats at which a question was judged in this workspace."""
        return self.store / "judged" / f"{question}.json"

    def live(self, stage: str, name: str, fold: int) -> Path:
        """DVCLive's folder, to watch a fit while it runs; the record is history.csv."""
        return self.root / "dvclive" / stage / name / f"fold{fold}"

    @property
    def sealed(self) -> list[Path]:
        """Existing output folders with a seal, also those of entries that params no longer name."""
        folders = (path for pattern in self._outputs() for path in self._existing(pattern))
        return sorted(path for path in folders if not path.name.startswith("."))

    @property
    def written_to(self) -> list[Path]:
        """Existing folders that hold outputs, and so the remains of an interrupted write."""
        files = [
            self.clock("*", "*"),
            self.validation("*"),
            self.data_docs("*") / "*",
            self.quarantine("*"),
            self.report_metrics,
        ]
        return sorted({folder for path in (*self._outputs(), *files) for folder in self._existing(path.parent)})

    def _outputs(self) -> list[Path]:
        kinds = (self.dataset, self.target, self.source, self.features, self.forecast, self.question)
        trained = (self.trained(kind, "*") for kind in TRAINED)
        return [self.plots, self.code, *(kind("*").folder for kind in kinds), *(arms.folder for arms in trained)]

    def _existing(self, pattern: Path) -> list[Path]:
        return [path for path in self.root.glob(pattern.relative_to(self.root).as_posix()) if path.is_dir()]
