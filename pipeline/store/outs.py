"""File layout of the outputs: a class for each kind of folder, an attribute for each of its files."""

from dataclasses import dataclass
from pathlib import Path

SUMMED = ("gflops", "forward_gflops", "backward_gflops")  # counts of cost.json that are summed over an arm's folds


class File:
    """A class attribute of a `Folder` that gives, on an instance, the path of `name` below `folder`."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, instance: "Folder", owner: type) -> Path:
        return instance.folder / self.name


@dataclass(frozen=True)
class Folder:
    """A folder whose files have fixed names."""

    folder: Path


class DatasetPaths(Folder):
    """Output of `ingest`."""

    images = File("images.npy")  # uint8 (images, size, size, channels)
    manifest = File("manifest.parquet")
    quarantine = File("quarantine.csv")
    card = File("card.json")


class LeakagePaths(Folder):
    """Output of `leakage`."""

    found = File("found.csv")  # a row per source, target, kind and tested image that they share
    passed = File("passed.json")  # the same after every success: what trains depends on it, to wait for the check


class SplitPaths(Folder):
    """Output of `split`."""

    examples = File("examples.parquet")  # row, image_id, phash, group, label, weight, role_<fold>... of all repeats
    repeats = File("repeats.json")  # {arm on the target: the repeats that it is trained for}
    images = File("images.json")  # the dataset, and the sha256 of its images.npy
    resized = File("images.npy")  # the dataset's images at the target's own size; absent if it has none


class FeaturePaths(Folder):
    """Output of `extract`; rows are the target's examples, in their order."""

    pooled = File("pooled.npy")  # float32 (examples, features): the identity view, pooled over space
    # activations at the cut, float16 (activations, height, width, channels): of every example in the identity view, and
    # in the others of those that a fold trains on; with `places` absent if nothing is tuned
    cut = File("cut.npy")
    places = File("places.npy")  # int32 (examples, views): where each lies in `cut`; -1: not computed
    # of all that was computed: images, those in_all_views, gflops...; image_flops of an image in the identity view with
    # its pooled features, view_flops of one in another view
    cost = File("cost.json")


class ForecastPaths(Folder):
    """Output of `forecast`."""

    forecast = File("forecast.json")


class ArmPaths(Folder):
    """Files of one trained arm."""

    predictions = File("predictions.parquet")  # a row per tested image: row, image_id, fold, label, p_<class>...
    # predictions of every epoch that was the best so far on validation, with the compute spent until then
    trajectory = File("trajectory.parquet")
    # a row per epoch: fold, learning_rate, l2, epoch, images_seen, gflops, backward_gflops, loss, val_loss,
    # val_<metric>...
    history = File("history.csv")
    cost = File("cost.json")

    def model(self, fold: int) -> Path:
        """The network of a fold."""
        return self.folder / f"fold{fold}.keras"


class TrainedPaths(Folder):
    """Output of `head`, `tune`, `scratch`, `rescale` and `adapt`: a folder for each arm, in the order of training."""

    facts = File("facts.json")  # arms (names in order), judged (one of them), target; of a transfer setting and source
    candidates = File("candidates.csv")  # adapt only: a row per fold, method and strength: criterion, chosen

    def arm(self, name: str) -> ArmPaths:
        """The folder of an arm."""
        return ArmPaths(self.folder / name)


class KeptFoldPaths(Folder):
    """A finished fold of an arm, in the store."""

    clock = File("clock.json")  # the cell that trained it, STAGE@NAME, and the seconds it took; not in the output

    model = File("model.keras")
    predictions = File("predictions.parquet")
    trajectory = File("trajectory.parquet")
    history = File("history.parquet")  # not CSV: floats are read back exactly
    cost = File("cost.json")


class KeptAdaptationPaths(Folder):
    """A finished fold of an adaptation, in the store."""

    candidates = File("candidates.parquet")
    tested = File("tested.npy")  # (candidates, images, classes): probabilities of the test part
    cost = File("cost.json")


class SourcePaths(Folder):
    """Output of `source` and of `pretrain`; of `source` only the backbone and the card."""

    backbone = File("backbone.keras")
    card = File("card.json")
    # images that this source, or one in its chain of `init`, was trained on: dataset, image_id, unit, phash
    seen = File("seen.parquet")
    examples = File("examples.parquet")  # its own training images: row, image_id, unit, phash, role, label (if any)
    images = File("images.json")  # as SplitPaths.images, of these examples
    head = File("head.keras")  # the source's own head on pooled features; only of supervised pretraining
    history = File("history.csv")


class QuestionPaths(Folder):
    """Output of `evaluate`."""

    result = File("result.json")  # a results.result.Result
    predictions = File("predictions.parquet")  # a row per arm and tested image: arm, image_id, label, fold, group, ...

    def plot(self, name: str) -> Path:
        """The rows of a plot."""
        return self.folder / f"{name}.csv"
