"""What lies in each out, and in what an arm keeps until its own is whole: the names of their files."""

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
    """Files of one trained arm."""

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
        """One row an epoch: fold, learning_rate, l2, epoch, images_seen, gflops, backward_gflops, loss, val_loss,
        val_<metric>..."""
        return self.folder / "history.csv"

    @property
    def cost(self) -> Path:
        return self.folder / "cost.json"


@dataclass(frozen=True)
class TrainedPaths:
    """Output of `head`, `tune`, `scratch`, `rescale` and `adapt`: a folder an arm, in the order of their training."""

    folder: Path

    @property
    def facts(self) -> Path:
        """JSON: `arms` (names in order), `judged` (one of them), `target`; of a transfer also `setting`, `source`."""
        return self.folder / "facts.json"

    def arm(self, name: str) -> ArmPaths:
        return ArmPaths(self.folder / name)

    @property
    def candidates(self) -> Path:
        """Only of `adapt`. One row a fold, method and strength: the label-free criterion, and whether it was chosen."""
        return self.folder / "candidates.csv"


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
class QuestionPaths:
    """Files of the output of `evaluate`."""

    folder: Path

    @property
    def result(self) -> Path:
        """A `results.result.Result`."""
        return self.folder / "result.json"

    @property
    def predictions(self) -> Path:
        """One row an arm and tested image: arm, image_id, label, fold, group, weight, p_<class>..."""
        return self.folder / "predictions.parquet"

    def plot(self, name: str) -> Path:
        return self.folder / f"{name}.csv"

    @property
    def contact_sheet(self) -> Path:
        """Images on which the judged arm and the other disagree; only of a transfer, and where there are any."""
        return self.folder / "contact.webp"
