"""The typed, versioned result of a question: written by the stage evaluate, read by the report.

Numbers are finite or None; `reasons` says why a number is None. `run.py` has all results of a run.
"""

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from pipeline.store.errors import InputError
from pipeline.store.files import read_json, write_json
from pipeline.verdict.decision import Evidence, Label, Verdict

VERSION: Final = 2
Kind = Literal["transfer", "adaptation", "again", "rescaled"]


class Model(BaseModel):
    """A frozen model that rejects unknown fields, nan and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Interval(Model):
    """A gain in units of the metric (more is better) with its interval of level 1 - alpha."""

    gain: float | None
    ci_low: float | None
    ci_high: float | None


class Reading(Interval):
    """A gain with its evidence: the fields of `decision.Verdict` (see there) that reports show."""

    label: Label | None
    evidence: Evidence
    not_worse: bool | None
    p: float | None
    p_holm: float | None
    probability_of_improvement: float | None
    repeats: int
    smallest_detectable_gain: float | None
    detectable_alone: float | None
    repeats_needed: int | None
    groups_needed: int | None
    reasons: tuple[str, ...]


class Spent(Model):
    """Compute of one arm over all folds and tried settings, in GFLOPs and images; None where it was not counted."""

    gflops: float | None
    forward_gflops: float | None = None
    backward_gflops: float | None = None
    sweep_gflops: float | None = None  # the part spent on settings that were not chosen
    images_seen: int | None = None


class Pretraining(Model):
    """Cost of pretraining a source, over its whole chain of sources; None (with a reason) where it is unknown."""

    gflops: float | None
    backward_gflops: float | None
    images_seen: int | None
    share_gflops: float | None  # of one transfer: the cost of every source is divided by its transfers
    shared_by: int
    reason: str | None


class Compute(Model):
    """Compute of the arms of a question.

    Attributes:
        arms: by name. extract_gflops: of the frozen layers, each repeat as if run alone.
        transfer_gflops, scratch_gflops: of both sides of a transfer. saved: the share of scratch's GFLOPs not spent.
        saved_reason: why there is no such share. amortised_gflops, saved_amortised: the same with the share of
            pretraining; None where its cost is unknown.
    """

    arms: dict[str, Spent]
    extract_gflops: float | None = None
    transfer_gflops: float | None = None
    scratch_gflops: float | None = None
    saved: float | None = None
    saved_reason: str | None = None
    pretraining: Pretraining | None = None
    amortised_gflops: float | None = None
    saved_amortised: float | None = None


class EqualQuality(Model):
    """Compute to match scratch's final quality (see `cost_curve.cost_to_equal_quality`)."""

    gflops: float | None
    scratch_gflops: float | None
    ratio: float | None
    reached: bool | None
    reason: str | None


class Candidate(Model):
    """A candidate of an adaptation: means over folds of its criterion, and of test metrics measured after choosing."""

    method: str
    strength: float | None
    criterion: float
    accuracy: float | None
    balanced_accuracy: float | None
    folds_chosen: int


class Ceiling(Interval):
    """The gain of a linear probe with target labels; `reached`: the share of it that was reached without labels."""

    arm: str
    reached: float | None


class Forecast(Model):
    """The forecast of a transfer's sign; `correct` is None where the forecast or the verdict has no label."""

    label: Label | None
    positive_votes: int
    votes: int
    gflops: float
    correct: bool | None


class Advice(Reading):
    """The gain over the best baseline of the target (report/best_baseline.py); `baselines`: in how many trainings each
    was the best on validation.
    """

    level: float
    baselines: dict[str, int]

    @property
    def best(self) -> str:
        """The baseline that validation preferred in most trainings; of several, the first."""
        return max(self.baselines, key=self.baselines.__getitem__)


class Details(Model):
    """The parts of a result that the report shows and metrics.json leaves out.

    Attributes:
        verdicts: of every arm over `against`. equal_compute: of the judged arm over `against` at equal compute.
        classes: in the order of the probabilities. confusion: arm -> weighted counts, rows are true classes.
        stopped_improving: arm -> one a fold. folds: arm -> counts of each fold (cost.json).
        labelled_images: of the target, mean over folds.
    """

    verdicts: dict[str, Verdict]
    equal_compute: Verdict | None
    classes: list[str]
    confusion: dict[str, list[list[float]]]
    stopped_improving: dict[str, list[bool]]
    folds: dict[str, list[dict[str, Any]]]
    labelled_images: float


class Result(Reading):
    """The result of a question: the gain of the judged arm over the other with its evidence, and their compute.

    Attributes:
        version: of this model. kind: of the judged arm. control: the expected outcome, if the question is a control.
        part_of: the question that this one explains; such parts are outside Holm's adjustment.
        setting, source: of a transfer or an adaptation. baseline: the reference; again: the same once again.
        arm, against: names of the two arms. arms: arm -> metric -> mean over its trainings on their own test images.
        trainings: of each arm. failed: arm -> number of those that failed (verdict/failures.py), where some did.
        looks: planned looks taken at this question so far; 1 where none are planned. level: of its interval and tests,
            alpha where none are planned. earlier_repeats: fewer repeats at which it was judged without such a plan.
        choices: arm -> in how many trainings validation chose it, where the judged arm is such a choice.
        advice: the gain over the best of several baselines.
        equal_compute: the verdict at equal compute.
        held: whether a control has its expected outcome. controls: "failed" where controls of the run failed.
        share: of the gain of the question that this one is part of.
    """

    version: Literal[2] = VERSION
    kind: Kind
    target: str
    arm: str
    against: str
    arms: dict[str, dict[str, float | None]]
    compute: Compute
    trainings: int
    looks: int = 1
    level: float
    failed: dict[str, int] = {}
    choices: dict[str, int] | None = None
    advice: Advice | None = None
    earlier_repeats: list[int] = []
    control: str | None = None
    part_of: str | None = None
    setting: str | None = None
    source: str | None = None
    baseline: str | None = None
    again: str | None = None
    baseline_stopped_improving: bool | None = None
    equal_compute: Reading | None = None
    cost_to_equal_quality: EqualQuality | None = None
    methods: dict[str, int] | None = None
    candidates: list[Candidate] | None = None
    ceiling: Ceiling | None = None
    forecast: Forecast | None = None
    held: bool | None = None
    share: float | None = None
    controls: Literal["failed"] | None = None
    details: Details | None = None

    def metrics(self) -> dict[str, Any]:
        """The entry of metrics.json: without details and without fields that do not apply to this kind of question."""
        absent = {name for name, field in Result.model_fields.items() if field.default is None}
        absent = {name for name in absent if getattr(self, name) is None and not (name == "held" and self.control)}
        return self.model_dump(mode="json", exclude={"details", *absent})


def reading_fields(verdict: Verdict) -> dict[str, Any]:
    """The values of a verdict for the fields of a `Reading`."""
    return {name: getattr(verdict, name) for name in Reading.model_fields}


def details_of(result: Result) -> Details:
    """The details of a result.

    Raises:
        ValueError: the result was read from metrics.json, which has no details.
    """
    if result.details is None:
        raise ValueError(f"a result of {result.target} has no details: it was not read from result.json")
    return result.details


def write_result(path: Path, result: Result) -> None:
    """Write a question's result.json."""
    write_json(path, result.model_dump(mode="json"))


def read_result(path: Path) -> Result:
    """Read a question's result.json.

    Raises:
        InputError: the file has another version.
    """
    content = read_json(path)
    check_version(str(path), content.get("version"))
    return Result.model_validate(content)


def check_version(file: str, version: object) -> None:
    """Raise InputError unless a file has the version of this program."""
    if version != VERSION:
        raise InputError(f"{file} has version {version}, expected {VERSION}. Run `dvc repro` to make it anew.")
