"""Where everything lies: the only module that knows the names of the pipeline's files."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DatasetPaths:
    """The out of `ingest`."""

    folder: Path

    @property
    def images(self) -> Path:
        """uint8, (images, size, size, channels)."""
        return self.folder / "images.npy"

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.parquet"

    @property
    def quarantine(self) -> Path:
        return self.folder / "quarantine.csv"

    @property
    def card(self) -> Path:
        return self.folder / "card.json"


@dataclass(frozen=True)
class SplitPaths:
    """The out of `split`."""

    folder: Path

    @property
    def examples(self) -> Path:
        """row, image_id, group, label, weight, fold, role_<fold>..."""
        return self.folder / "examples.parquet"

    @property
    def images(self) -> Path:
        """The dataset that the rows are of, the sha256 of its images.npy, and the bits within which hashes are near."""
        return self.folder / "images.json"


@dataclass(frozen=True)
class FeaturePaths:
    """The out of `extract`: rows are those of the target's examples, in their order."""

    folder: Path

    @property
    def pooled(self) -> Path:
        """float32, (examples, features): the identity view, pooled over space."""
        return self.folder / "pooled.npy"

    @property
    def cut(self) -> Path:
        """float16, (examples, views, height, width, channels): activations at the cut; absent if nothing is tuned."""
        return self.folder / "cut.npy"

    @property
    def cost(self) -> Path:
        return self.folder / "cost.json"


@dataclass(frozen=True)
class ForecastPaths:
    """The out of `forecast`."""

    folder: Path

    @property
    def forecast(self) -> Path:
        return self.folder / "forecast.json"


@dataclass(frozen=True)
class ArmPaths:
    """The out of `head`, `tune`, `scratch` and `rescale`."""

    folder: Path

    def model(self, fold: int) -> Path:
        return self.folder / f"fold{fold}.keras"

    @property
    def predictions(self) -> Path:
        """One row a tested image: row, image_id, fold, label, p_<class>..."""
        return self.folder / "predictions.parquet"

    @property
    def trajectory(self) -> Path:
        """The predictions of every epoch that was the best so far on validation, with what had been spent by then."""
        return self.folder / "trajectory.parquet"

    @property
    def history(self) -> Path:
        """One row an epoch: fold, learning_rate, l2, epoch, images_seen, gflops, loss, val_loss, val_<metric>..."""
        return self.folder / "history.csv"

    @property
    def cost(self) -> Path:
        return self.folder / "cost.json"


@dataclass(frozen=True)
class KeptFoldPaths:
    """A finished fold of an arm whose out is not whole yet."""

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "model.keras"

    @property
    def predictions(self) -> Path:
        return self.folder / "predictions.parquet"

    @property
    def trajectory(self) -> Path:
        return self.folder / "trajectory.parquet"

    @property
    def history(self) -> Path:
        """Parquet, not CSV: numbers come back to the bit."""
        return self.folder / "history.parquet"

    @property
    def cost(self) -> Path:
        return self.folder / "cost.json"

    @property
    def fingerprint(self) -> Path:
        """The sha256 of all that the fold depends on."""
        return self.folder / "fingerprint.json"


@dataclass(frozen=True)
class KeptPaths:
    """What an arm keeps of its finished folds until its out is whole: no out itself, DVC and Git do not see it."""

    folder: Path

    def fold(self, fold: int) -> KeptFoldPaths:
        return KeptFoldPaths(self.folder / f"fold{fold}")


@dataclass(frozen=True)
class SourcePaths:
    """The out of `source` and of `pretrain`; all but the first two only where a dataset was learnt from."""

    folder: Path

    @property
    def backbone(self) -> Path:
        return self.folder / "backbone.keras"

    @property
    def card(self) -> Path:
        return self.folder / "card.json"

    @property
    def seen(self) -> Path:
        """What was learnt from, by this source or one that it began with: dataset, image_id, unit, phash."""
        return self.folder / "seen.parquet"

    @property
    def examples(self) -> Path:
        """What this source itself learnt from: row, image_id, unit, phash, role, and label where there were labels."""
        return self.folder / "examples.parquet"

    @property
    def images(self) -> Path:
        """As `SplitPaths.images`, of the examples."""
        return self.folder / "images.json"

    @property
    def head(self) -> Path:
        """The source's own head on pooled features, where it learnt with labels."""
        return self.folder / "head.keras"

    @property
    def history(self) -> Path:
        return self.folder / "history.csv"


@dataclass(frozen=True)
class AdaptationPaths:
    """The out of `adapt`."""

    folder: Path

    @property
    def predictions(self) -> Path:
        """arm, row, image_id, fold, label, p_<class>...; arms source_only, adapted, target_supervised."""
        return self.folder / "predictions.parquet"

    @property
    def candidates(self) -> Path:
        """One row a fold, method and strength: the label-free criterion, and whether it chose this one."""
        return self.folder / "candidates.csv"

    @property
    def cost(self) -> Path:
        return self.folder / "cost.json"


@dataclass(frozen=True)
class TransferPaths:
    """The out of `evaluate`, `null`, `compare`, `attribute` and `study`."""

    folder: Path

    @property
    def verdict(self) -> Path:
        return self.folder / "verdict.json"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.json"

    def plot(self, name: str) -> Path:
        return self.folder / f"{name}.csv"

    @property
    def contact_sheet(self) -> Path:
        """Images on which the last arm and scratch disagree; only of a transfer, and where there are any."""
        return self.folder / "contact.webp"


@dataclass(frozen=True)
class Paths:
    """All paths, under one root (the folder of dvc.yaml)."""

    root: Path = Path()

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

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

    def arm(self, stage: str, name: str) -> ArmPaths:
        """stage: head or tune (name: a transfer), scratch (name: a baseline), or rescale (name: an entry of it)."""
        return ArmPaths(self.root / "models" / stage / name)

    def clock(self, stage: str, name: str) -> Path:
        """Seconds, memory and device of one run of a stage: the only file that differs when a stage runs twice.

        A run that takes up what an interrupted one had finished counts its own seconds alone.
        """
        return self.root / "data" / "clocks" / stage / f"{name}.json"

    def transfer(self, name: str) -> TransferPaths:
        """name: a transfer, a null, an adaptation, or an entry of rescaled or studies: no two of them share a name."""
        return TransferPaths(self.root / "reports" / "transfers" / name)

    def adaptation(self, name: str) -> AdaptationPaths:
        return AdaptationPaths(self.root / "models" / "adaptations" / name)

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
        kinds = (self.dataset, self.target, self.source, self.features, self.forecast, self.transfer, self.adaptation)
        arms = (self.arm(stage, "*") for stage in ("head", "tune", "scratch", "rescale"))
        return [self.plots, *(kind("*").folder for kind in kinds), *(arm.folder for arm in arms)]

    def _there(self, pattern: Path) -> list[Path]:
        return [path for path in self.root.glob(pattern.relative_to(self.root).as_posix()) if path.is_dir()]

    def live(self, stage: str, name: str, fold: int) -> Path:
        """DVCLive's folder, to watch a fit while it runs; the record is history.csv."""
        return self.root / "dvclive" / stage / name / f"fold{fold}"
