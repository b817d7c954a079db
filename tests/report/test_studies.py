"""Labels saved, from the predictions that questions kept."""

import copy

import builders
import numpy as np
import pandas as pd
import pytest
import tiny_world

from pipeline.config.params import Params
from pipeline.config.schema import Question, Study, Target, VerdictParams
from pipeline.report.studies import fractions_of, shared_arms, study
from pipeline.store.seeds import seed_for
from pipeline.verdict.label_efficiency import efficiency

RIGHT = {"q-all": {"tuned": 0.9, "scratch": 0.9}, "q-half": {"head": 0.8, "tuned": 0.8, "scratch": 0.6}}


def params():
    """A study of two shares, named in descending order."""
    run = copy.deepcopy(tiny_world.RAW["run"])
    return Params.model_construct(
        run=type("Run", (), run),
        targets={
            "all": Target(dataset="toy", label="defect"),
            "half": Target(dataset="toy", label="defect", train_fraction=0.5),
        },
        questions={
            f"q-{share}": Question(target=share, arm=f"transfers/{share}", against="baselines/b")
            for share in ("all", "half")
        },
        studies={"labels": Study(questions=["q-all", "q-half"])},
        verdict=VerdictParams(metric="accuracy", alpha=0.05, margin=0.01),
    )


def predictions(right, images=60, seed=0):
    """predictions.parquet of a question: each arm is right on its share of the images."""
    known = pd.DataFrame(
        {
            "image_id": [f"id{index}" for index in range(images)],
            "label": np.where(np.arange(images) % 2, "b", "a"),
            "repeat": 0,
            "fold": np.arange(images) % 3,
            "group": [f"g{index // 2}" for index in range(images)],
            "weight": 1.0,
        }
    )
    rng, parts = np.random.default_rng(seed), []
    for arm, share in right.items():
        hit = rng.permutation(images) < share * images
        first = np.where(hit == (known["label"] == "a"), 0.8, 0.2)
        parts.append(known.assign(arm=arm, p_a=first, p_b=1 - first))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def tables():
    return {name: predictions(right) for name, right in RIGHT.items()}


@pytest.fixture(scope="module")
def results():
    return {
        name: builders.transfer(builders.verdict(0.1 * at), details=builders.details(
            {"head": builders.verdict(0.01), "tuned": builders.verdict(0.1 * at)}, labelled_images=20.0 * at
        ))
        for at, name in enumerate(RIGHT, 1)
    }  # fmt: skip


def test_shares_ascend_whatever_the_order_of_params():
    assert fractions_of(params(), "labels") == {"q-half": 0.5, "q-all": 1.0}


def test_a_study_is_the_label_efficiency_of_the_arms_that_all_questions_have(tables, results):
    found = study("labels", results, tables, params())
    tested, arms = shared_arms([tables["q-half"], tables["q-all"]])
    assert list(arms) == ["tuned", "scratch"]
    settings = {"metric": "accuracy", "alpha": 0.05, "seed": seed_for(7, "study", "labels")}
    expected = efficiency(tested, [0.5, 1.0], arms, "scratch", **settings)
    content = found.model_dump()
    assert {key: content[key] for key in expected} == expected
    assert [estimate.value for estimate in found.curves["tuned"]] == pytest.approx([0.8, 0.9])
    assert found.questions == ["q-half", "q-all"] and found.images == [40.0, 20.0]


def test_gains_are_those_of_the_questions_own_verdicts(tables, results):
    found = study("labels", results, tables, params())
    assert set(found.gains) == {"tuned"}
    assert [gain.gain for gain in found.gains["tuned"]] == [pytest.approx(0.2), pytest.approx(0.1)]


def test_a_study_is_marked_where_controls_failed(tables, results):
    failed = {name: result.model_copy(update={"controls": "failed"}) for name, result in results.items()}
    marks = [study("labels", each, tables, params()).controls for each in (results, failed)]
    assert marks == [None, "failed"]


def test_questions_about_other_images_are_refused(tables, results):
    table = tables["q-half"]
    other = table.assign(fold=(table["fold"] + 1) % 3)
    with pytest.raises(ValueError, match="not tested on the same images"):
        study("labels", results, tables | {"q-half": other}, params())
