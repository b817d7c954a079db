"""metrics.json: read back as it was written, and refused where another version wrote it."""

import copy

import pytest

from pipeline.results.result import Compute, Result, reading_fields
from pipeline.results.run import Run, RunFacts
from pipeline.store.errors import InputError
from pipeline.verdict.decision import Verdict

VERDICT = Verdict("accuracy", 0.05, 0.03, 10, 3, 2, label="positive", gain=0.1, ci_low=0.05, ci_high=0.15, p=0.01)
RESULT = Result(
    kind="transfer",
    target="stripes",
    arm="tuned",
    against="scratch",
    arms={"tuned": {"accuracy": 0.9}, "scratch": {"accuracy": 0.8}},
    compute=Compute(arms={}),
    **reading_fields(VERDICT),
)
FACTS = RunFacts(
    metric="accuracy",
    alpha=0.05,
    margin=0.03,
    protocol="grouped",
    folds=3,
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


@pytest.mark.parametrize("version", [None, 0, 2])
def test_another_version_is_refused(version):
    content = copy.deepcopy(RUN.metrics())
    content["run"] = {} if version is None else content["run"] | {"version": version}
    with pytest.raises(InputError, match=rf"version {version}, expected 1. Run `dvc repro`"):
        Run.from_metrics(content)
