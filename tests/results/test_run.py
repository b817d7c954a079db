"""metrics.json: read back as it was written, and refused where another version wrote it."""

import copy

import pytest

from pipeline.results.result import Compute, Result, reading_fields
from pipeline.results.run import Run, RunFacts
from pipeline.store.errors import InputError
from pipeline.verdict.decision import Verdict

SIZE = {"images": 10, "groups": 2, "folds": 3, "repeats": 2}
READ = {"label": "positive", "gain": 0.1, "ci_low": 0.05, "ci_high": 0.15, "p": 0.01, "not_worse": True}
VERDICT = Verdict("accuracy", alpha=0.05, level=0.03, margin=0.03, **SIZE, **READ)
RESULT = Result(
    kind="transfer",
    target="stripes",
    arm="tuned",
    against="scratch",
    arms={"tuned": {"accuracy": 0.9}, "scratch": {"accuracy": 0.8}},
    compute=Compute(arms={}),
    trainings=6,
    looks=2,
    level=0.03,
    failed={"scratch": 1},
    earlier_repeats=[1],
    **reading_fields(VERDICT),
)
FACTS = RunFacts(
    metric="accuracy",
    alpha=0.05,
    level=0.05,
    looks=[],
    margin=0.03,
    protocol="grouped",
    folds=3,
    repeats=2,
    image_size=32,
    controls=None,
    failed_controls=[],
    forecasts={},
)
RUN = Run(facts=FACTS, results={"stripes": RESULT}, studies={})


def test_it_is_read_back_as_it_was_written():
    assert Run.from_metrics(RUN.metrics()) == RUN


def test_fields_that_a_kind_of_question_lacks_are_left_out():
    entry = RUN.metrics()["stripes"]
    assert "control" not in entry and "ceiling" not in entry and "details" not in entry
    assert entry["p_holm"] is None  # undefined, not absent


@pytest.mark.parametrize("version", [None, 1, 3])
def test_another_version_is_refused(version):
    content = copy.deepcopy(RUN.metrics())
    content["run"] = {} if version is None else content["run"] | {"version": version}
    with pytest.raises(InputError, match=rf"version {version}, expected 2. Run `dvc repro`"):
        Run.from_metrics(content)
