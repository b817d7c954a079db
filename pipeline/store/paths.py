"""Where everything lies: with `outs.py`, the only module that knows the names of the pipeline's files."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.store.outs import (
    DatasetPaths,
    FeaturePaths,
    ForecastPaths,
    KeptPaths,
    QuestionPaths,
    SourcePaths,
    SplitPaths,
    TrainedPaths,
)

TRAINED = ("heads", "transfers", "baselines", "rescaled", "adaptations", "unadapted")  # kinds of trained arms


@dataclass(frozen=True)
class Paths:
    """All paths, under one root (the folder of dvc.yaml)."""

    root: Path = Path()

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def dvc_yaml(self) -> Path:
        return self.root / "dvc.yaml"

    def dataset(self, name: str) -> DatasetPaths:
        return DatasetPaths(self.root / "data" / "datasets" / name)

    def data_docs(self, name: str) -> Path:
        """Great Expectations' own pages: for reading, never a dependency."""
        return self.root / "data" / "docs" / name

    def validation(self, name: str) -> Path:
        return self.root / "reports" / "validation" / f"{name}.json"

    def target(self, name: str) -> SplitPaths:
        return SplitPaths(self.root / "data" / "targets" / name)

    def source(self, name: str) -> SourcePaths:
        return SourcePaths(self.root / "models" / "sources" / name)

    def features(self, transfer: str) -> FeaturePaths:
        return FeaturePaths(self.root / "data" / "features" / transfer)

    def forecast(self, transfer: str) -> ForecastPaths:
        return ForecastPaths(self.root / "data" / "forecasts" / transfer)

    def trained(self, kind: str, name: str) -> TrainedPaths:
        """kind: one of TRAINED; name: a transfer (heads, transfers), a baseline, a rescaled one, or an adaptation."""
        return TrainedPaths(self.root / "models" / kind / name)

    def clock(self, stage: str, name: str) -> Path:
        """Seconds, memory and device of one run of a stage: the only file that differs when a stage runs twice.

        A run that takes up what an interrupted one had finished counts its own seconds alone.
        """
        return self.clocks / stage / f"{name}.json"

    @property
    def clocks(self) -> Path:
        return self.root / "data" / "clocks"

    def question(self, name: str) -> QuestionPaths:
        return QuestionPaths(self.root / "reports" / "questions" / name)

    @property
    def report_metrics(self) -> Path:
        return self.root / "reports" / "metrics.json"

    @property
    def report_verdicts(self) -> Path:
        return self.root / "reports" / "verdicts.json"

    @property
    def report_cost(self) -> Path:
        return self.root / "reports" / "cost.json"

    @property
    def report_markdown(self) -> Path:
        return self.root / "reports" / "report.md"

    @property
    def report_html(self) -> Path:
        return self.root / "reports" / "report.html"

    @property
    def report_gain(self) -> Path:
        """The forest plot of the run."""
        return self.root / "reports" / "gain.svg"

    @property
    def plots(self) -> Path:
        return self.root / "reports" / "plots"

    def lock(self, stage: str, name: str) -> Path:
        return self.root / ".locks" / f"{stage}@{name}.lock"

    def kept(self, stage: str, name: str) -> KeptPaths:
        return KeptPaths(self.root / ".resume" / stage / name)

    @property
    def dvc_lock(self) -> Path:
        return self.root / "dvc.lock"

    @property
    def dvc_tmp(self) -> Path:
        """Where DVC keeps its own locks."""
        return self.root / ".dvc" / "tmp"

    @property
    def sealed(self) -> list[Path]:
        """The outs with a seal that are there, also those that params no longer name."""
        return sorted(out for pattern in self._outs() for out in self._there(pattern) if not out.name.startswith("."))

    @property
    def written_to(self) -> list[Path]:
        """The folders that hold outs, and so what is left of a write that was cut off."""
        files = [self.clock("*", "*"), self.validation("*"), self.data_docs("*") / "*", self.report_metrics]
        return sorted({folder for path in (*self._outs(), *files) for folder in self._there(path.parent)})

    def _outs(self) -> list[Path]:
        kinds = (self.dataset, self.target, self.source, self.features, self.forecast, self.question)
        trained = (self.trained(kind, "*") for kind in TRAINED)
        return [self.plots, *(kind("*").folder for kind in kinds), *(arms.folder for arms in trained)]

    def _there(self, pattern: Path) -> list[Path]:
        return [path for path in self.root.glob(pattern.relative_to(self.root).as_posix()) if path.is_dir()]

    def live(self, stage: str, name: str, fold: int) -> Path:
        """DVCLive's folder, to watch a fit while it runs; the record is history.csv."""
        return self.root / "dvclive" / stage / name / f"fold{fold}"
