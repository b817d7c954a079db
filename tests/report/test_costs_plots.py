"""Clocks of the steps that a question rests on, and the rows of plots."""

import copy

import builders
import pandas as pd
import pytest
import tiny_world

from pipeline.config.params import Params
from pipeline.config.schema import Adaptation, Question, Transfer
from pipeline.report.plot_rows import gain_rows, plot_tables
from pipeline.report.spending import costs, steps

PARAMS = Params.model_construct(
    pretrained={"made": None},
    transfers={
        name: Transfer(setting="inductive", source=source, target="defect")
        for name, source in {"given": "tiny", "own": "made"}.items()
    },
    adaptations={"adapted": Adaptation(source="made", target="defect")},
    questions={name: Question(**question) for name, question in copy.deepcopy(tiny_world.RAW["questions"]).items()},
)
TRANSFER = {stage: (stage, "given") for stage in ("extract", "forecast", "head", "tune")}


@pytest.mark.parametrize(
    ("arm", "against", "expected"),
    [
        ("transfers/given", "baselines/b", {"source": ("source", "tiny"), **TRANSFER, "scratch": ("scratch", "b")}),
        ("transfers/given", "rescaled/r", {"source": ("source", "tiny"), **TRANSFER, "rescale": ("rescale", "r")}),
        ("rescaled/r", "baselines/b", {"rescale": ("rescale", "r"), "scratch": ("scratch", "b")}),
        ("baselines/a", "baselines/b", {"again": ("scratch", "a"), "scratch": ("scratch", "b")}),
        ("adaptations/adapted", "unadapted/adapted", {"pretrain": ("pretrain", "made"), "adapt": ("adapt", "adapted")}),
    ],
)
def test_a_question_rests_on_the_steps_of_both_arms(arm, against, expected):
    assert steps(PARAMS, Question(target="defect", arm=arm, against=against)) == expected


def test_a_source_that_was_made_here_has_the_clock_of_its_pretraining():
    assert steps(PARAMS, Question(target="defect", arm="transfers/own", against="baselines/b"))["pretrain"] == (
        "pretrain", "made",
    )  # fmt: skip


def test_costs_have_every_clock_and_flag_controls():
    params = PARAMS.model_copy(update={"questions": {"n": PARAMS.questions["defect-null"]}})
    assert costs(params, lambda stage, name: {"clock": f"{stage}@{name}"}) == {
        "n": {
            "again": {"clock": "scratch@defect-again"},
            "scratch": {"clock": "scratch@defect-tiny"},
            "control": "null",
        }
    }


RESULTS = {
    "n": builders.again(),
    "b": builders.adaptation(),
    "a": builders.transfer(),
    "part": builders.rescaled(part_of="a"),
    "p": builders.transfer(control="planted_negative"),
}


def test_gains_come_by_group_and_reading_without_parts():
    rows = gain_rows(builders.run_of(RESULTS))
    assert rows[["question", "role", "reading", "control"]].to_numpy().tolist() == [
        ["a", "transfers", "end of training", ""],
        ["a", "transfers", "equal compute", ""],
        ["b", "adaptations", "over source only", ""],
        ["n", "controls", "end of training", "null"],
        ["p", "controls", "end of training", "planted_negative"],
    ]
    assert rows["gain"].tolist() == [0.05, 0.04, 0.05, -0.01, 0.05]
    assert rows["evidence"].tolist() == ["conclusive"] * 3 + ["inconclusive", "conclusive"]


def test_plots_have_the_rows_of_all_questions_and_confusion_of_judged_arms_alone():
    table = pd.DataFrame({"arm": ["head", "tuned", "scratch"], "actual": "x", "predicted": "y"})
    curve = table.assign(positive="x")
    rows = {"a": {"confusion": table, "roc": curve}, "n": {"confusion": table.assign(arm="again")}}
    found = plot_tables(builders.run_of(RESULTS), rows)
    assert set(found) == {"gain", "confusion", "roc"} and len(found["roc"]) == 3
    assert found["confusion"].to_numpy().tolist() == [
        ["a", "", "tuned", "x", "y", 1],
        ["n", "null", "again", "x", "y", 3],
    ]
