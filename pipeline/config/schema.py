"""Schema of the sections of params.yaml: types and allowed values; `params.py` combines the sections."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from pipeline.store.places import load
from pipeline.store.words import nearest

# part of a path, with room for more in the 255 bytes of a file name; model registries want a letter or digit at the end
NAME = r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?"
Name = Annotated[str, Field(pattern=rf"^{NAME}$", max_length=100)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
MOST_REPEATS = 100  # that the report advises, too
Repeats = Annotated[int, Field(ge=1, le=MOST_REPEATS)]
Count = Annotated[int, Field(ge=1)]
Side = Annotated[int, Field(ge=32, le=1024)]  # of square images, pixels
Momentum = Annotated[float, Field(gt=0, lt=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Cluster = Annotated[str, Field(pattern=r"^(ray|auto|(ray://)?[^:/\s]+:[0-9]{1,5})$")]  # of Ray
RESERVED = ("run", "studies")  # keys of reports/metrics.json that are not questions


def one_of(table: str) -> BeforeValidator:
    """Validate that a value is a name in a registry.

    The registry is imported on use: a new entry in it then makes only the stages stale that depend on that registry.

    Args:
        table: import path of the registry, "module:attribute".
    """

    def check(value: object) -> object:
        names = load(table)
        if not isinstance(value, str) or value not in names:
            facts = {"allowed": ", ".join(names), "hint": nearest(str(value), names)}
            raise PydanticCustomError("unknown_name", "should be one of {allowed}{hint}", facts)
        return value

    return BeforeValidator(check)


Reader = Annotated[str, one_of("pipeline.registry.readers:READERS")]
WayOfPretraining = Annotated[str, one_of("pipeline.registry.pretraining:PRETRAINING")]
Tuning = Annotated[str, one_of("pipeline.registry.tuning:TUNING")]
AdaptationName = Annotated[str, one_of("pipeline.registry.adaptation:ADAPTATION")]
Criterion = Annotated[str, one_of("pipeline.registry.criteria:CRITERIA")]
DecidingMetric = Annotated[str, one_of("pipeline.registry.metrics:DECIDING")]


def _blocks(value: object) -> object:
    """One error message, where pydantic gives one for the number and one for the text."""
    if isinstance(value, bool) or not isinstance(value, int | str) or (isinstance(value, int) and value < 0):
        raise PydanticCustomError("blocks", "input should be a number of blocks from 0, the name of a layer, or all")
    return value


def _reference(*sections: str) -> str:
    """Regular expression of `section/entry`."""
    return rf"^({'|'.join(sections)})/{NAME}$"


def _parts(shares: dict[str, float]) -> dict[str, float]:
    if shares and abs(sum(shares.values()) - 1) > 1e-9:
        raise ValueError("the shares must sum to 1")
    return shares


def _ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] >= bounds[1]:
        raise ValueError("the lower bound must be below the upper one")
    return bounds


def _looks(repeats: list[int]) -> list[int]:
    if repeats != sorted(set(repeats)):
        raise ValueError("the numbers of repeats must ascend")
    return repeats


class Section(BaseModel):
    """Base of all sections; refuses unknown keys, wrong types (`'1e-3'` as text, true for 1), nan and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Run(Section):
    """Settings of the whole run."""

    seed: Annotated[int, Field(ge=0)]
    image_size: Side
    folds: Annotated[int, Field(ge=2, le=20)]
    repeats: Repeats
    protocol: Literal["grouped", "random"]
    validation_fraction: Annotated[float, Field(ge=0.05, le=0.5)]
    augmentation: Literal["none", "mirror", "flips", "dihedral"]
    class_weight: Literal["none", "balanced"]
    device: Literal["auto", "cpu", "gpu"]
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"]
    kernels: Literal["fused", "keras"]
    workers: Literal["auto"] | Count = "auto"
    cluster: Cluster | None = None
    store_gb: NotNegative = 10.0


class Dataset(Section):
    """Images with labels, and how they are read and checked."""

    reader: Reader
    raw: str
    image_size: Side | None = None
    table: str | None = None
    path_column: str = "path"
    labels: Annotated[list[str], Field(min_length=1)]
    weights: list[str] = []
    group: str | None = None
    group_kind: str | None = None
    classes: dict[str, list[str]] = {}
    limit: Annotated[int, Field(ge=2)] | None = None
    quarantine_cap: Share = 0.01
    near_duplicate_distance: Annotated[int, Field(ge=0, le=16)] | None = 10
    background: Annotated[str, Field(pattern=r"^(auto|black|white|gr[ae]y|#[0-9A-Fa-f]{6})$")] = "auto"
    max_pixels: Count = 50_000_000
    conflict_cap: Share = 0.01
    pools: Annotated[dict[Name, Annotated[float, Field(gt=0, lt=1)]], AfterValidator(_parts)] = {}
    min_side: Count = 16
    brightness: Annotated[tuple[Share, Share], AfterValidator(_ascending)] | None = None


class Target(Section):
    """A classification task: images and a label column of a dataset."""

    dataset: str
    label: str
    image_size: Side | None = None
    where: dict[str, str] = {}
    pool: str | None = None
    weight: str | None = None
    labels_per_class: Annotated[int, Field(ge=2)] | None = None
    train_fraction: Annotated[float, Field(gt=0, le=1)] | None = None


class Source(Section):
    """An existing backbone: published weights, a file, or random initialization.

    Attributes:
        sha256: of the `.keras` file that `architecture` names, or of `path`.
        path: a file of weights for a model of keras.applications, in the format of its published ones.
    """

    architecture: str
    weights: Literal["imagenet", "file", "random"]
    sha256: Sha256 | None = None
    path: str | None = None


class Pretrained(Section):
    """A backbone that the pipeline pretrains, starting from `init`: a source, or another pretrained one."""

    pretrain: WayOfPretraining
    init: str
    dataset: str
    label: str | None = None
    where: dict[str, str] = {}
    pool: str | None = None
    permute_labels: bool = False


class Baseline(Section):
    """Training from scratch on a target."""

    target: str
    architecture: str
    sha256: Sha256 | None = None
    again: Annotated[int, Field(ge=0)] = 0


class Transfer(Section):
    """A source fine-tuned on a target."""

    setting: Literal["inductive", "unsupervised", "transductive"]
    source: str
    target: str
    unfreeze: Annotated[int | str, BeforeValidator(_blocks)] | None = None
    method: Tuning | None = None


class Question(Section):
    """Two arms on one target: is `arm` better than `against`?

    Attributes:
        arm: transfers/NAME, baselines/NAME (`against` once again), rescaled/NAME or adaptations/NAME.
        against: baselines/NAME, rescaled/NAME or unadapted/NAME (the unadapted source of an adaptation).
        control: the expected answer of a control; null for a question whose answer is not known in advance.
        part_of: the question that this one explains; it is excluded from Holm's adjustment.
        repeats: how many repeats of the folds are judged; null: `run.repeats`.
    """

    target: str
    arm: Annotated[str, Field(pattern=_reference("transfers", "baselines", "rescaled", "adaptations"))]
    against: Annotated[str, Field(pattern=_reference("baselines", "rescaled", "unadapted"))]
    control: Literal["null", "planted_negative", "planted_positive"] | None = None
    part_of: str | None = None
    repeats: Repeats | None = None


class Rescaled(Section):
    """A baseline with random weights that match a source's mean and variance, to separate scale from features."""

    source: str
    target: str
    baseline: str


class Study(Section):
    """A label-efficiency study: questions about one transfer whose targets differ in `train_fraction` only."""

    questions: Annotated[list[str], Field(min_length=2)]


class Adaptation(Section):
    """Unsupervised domain adaptation of a source with its own head to a target, without target labels."""

    source: str
    target: str


class Fitting(Section):
    """Training settings that the three arms share."""

    learning_rate: Annotated[list[Positive], Field(min_length=1)]
    epochs: Count
    patience: Count
    batch_size: Count
    schedule: Literal["constant", "cosine"]
    warmup: Share
    dropout: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: NotNegative
    min_steps: Count = 1
    keep: Literal["best", "last"] = "best"


class Head(Fitting):
    """Linear probe on frozen features."""

    l2: Annotated[list[NotNegative], Field(min_length=1)]


class Tune(Fitting):
    """Fine-tuning of the unfrozen layers."""

    unfreeze: Annotated[int | str, BeforeValidator(_blocks)]
    batch_norm: Literal["frozen", "train"]
    batch_norm_momentum: Momentum | None = None  # with `train`; None: the network's own, in Keras 0.99
    method: Tuning
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    l2_sp: NotNegative


class Scratch(Fitting):
    """Training from random weights."""

    batch_norm_momentum: Momentum


class Adapt(Section):
    """Settings of domain adaptation: the methods tried, and the label-free criterion that selects one."""

    methods: Annotated[list[AdaptationName], Field(min_length=1)]
    criterion: Criterion
    strength: Annotated[list[Positive], Field(min_length=1)]
    bottleneck: Count
    learning_rate: Positive
    epochs: Count
    batch_size: Annotated[int, Field(ge=2)]
    weight_decay: NotNegative


class Forecast(Section):
    """Settings of the forecast of a transfer's sign."""

    permutations: Annotated[int, Field(ge=20)]


class VerdictParams(Section):
    """Settings of the statistical test."""

    metric: DecidingMetric
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    margin: NotNegative
    looks: Annotated[list[Repeats], AfterValidator(_looks)] = []


class ReportParams(Section):
    """Settings of the pages of the report."""

    language: Literal["en", "es"] = "en"
