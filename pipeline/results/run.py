"""All results of a run: the content of reports/metrics.json."""

from collections.abc import Mapping
from typing import Any, Literal

from pipeline.results.result import VERSION, Interval, Model, Result, check_version

RUN, STUDIES = "run", "studies"  # entries of metrics.json besides the questions


class Score(Model):
    """Number of correct forecasts, of those with an outcome."""

    correct: int
    of: int


class RunFacts(Model):
    """Facts of the run as a whole, in metrics.json.

    Attributes:
        metric, alpha, margin, looks: the settings of its verdicts. level: of intervals and tests, alpha where no looks
            are planned. controls: None where the run has none.
    """

    version: Literal[2] = VERSION
    metric: str
    alpha: float
    level: float
    margin: float
    looks: list[int]
    protocol: str
    folds: int
    repeats: int
    image_size: int
    controls: Literal["held", "failed"] | None
    failed_controls: list[str]
    forecasts: dict[str, Score]


class Bound(Model):
    """A multiple of the labels; `side` is `inside`, or says on which side of the measured shares it is a bound."""

    value: float
    side: Literal["inside", "above", "below"]


class Estimate(Model):
    value: float | None
    ci_low: float | None
    ci_high: float | None


class Times(Model):
    """How many times the labels scratch needs, with its interval."""

    value: Bound
    ci_low: Bound | None
    ci_high: Bound | None


class Study(Model):
    """Label efficiency: the same transfer at increasing shares of the labels (see `label_efficiency.efficiency`).

    Attributes:
        questions: in the order of `fractions`. images: labelled ones at each share, mean over folds.
        curves, times, gains: arm -> one a share.
    """

    questions: list[str]
    fractions: list[float]
    images: list[float]
    curves: dict[str, list[Estimate]]
    times: dict[str, list[Times]]
    gains: dict[str, list[Interval]]
    reason: str | None
    controls: Literal["failed"] | None = None


class Run(Model):
    """All results of a run, in the order of params."""

    facts: RunFacts
    results: dict[str, Result]
    studies: dict[str, Study]

    def metrics(self) -> dict[str, Any]:
        """The content of reports/metrics.json."""
        studies = {name: study.model_dump(mode="json") for name, study in self.studies.items()}
        return {
            **{name: result.metrics() for name, result in self.results.items()},
            RUN: self.facts.model_dump(mode="json"),
            **({STUDIES: studies} if studies else {}),
        }

    @classmethod
    def from_metrics(cls, content: Mapping[str, Any]) -> "Run":
        """Read the content of reports/metrics.json; results come without details.

        Raises:
            InputError: another version of this program wrote it.
        """
        check_version("reports/metrics.json", content.get(RUN, {}).get("version"))
        results = {name: entry for name, entry in content.items() if name not in (RUN, STUDIES)}
        return cls.model_validate({"facts": content[RUN], "results": results, "studies": content.get(STUDIES, {})})
