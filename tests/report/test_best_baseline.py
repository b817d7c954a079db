"""The gain over the best baseline: chosen on validation in each training, and absent where there is one baseline."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pipeline.config.schema import Question, VerdictParams
from pipeline.report.best_baseline import advice, baselines_of

IMAGES, FOLDS, REPEATS = 60, 2, 2
SETTINGS = VerdictParams(metric="accuracy", alpha=0.05, margin=0.03)


def predictions(arms, seed=0):
    """A question's table: arm -> the chance to be right."""
    rng, labels = np.random.default_rng(seed), np.tile(["bad", "good"], IMAGES // 2)
    parts = []
    for repeat in range(REPEATS):
        fold = repeat * FOLDS + np.random.default_rng(repeat).permutation(np.arange(IMAGES) % FOLDS)
        images = pd.DataFrame({"image_id": np.arange(IMAGES).astype(str), "label": labels, "repeat": repeat})
        images = images.assign(fold=fold, group=np.arange(IMAGES) // 3, weight=1.0).sort_values("fold")
        for arm, right in arms.items():
            p = np.where((images["label"] == "good") == (rng.uniform(size=IMAGES) < right), 0.8, 0.2)
            parts.append(images.assign(arm=arm, p_bad=1 - p, p_good=p))
    return pd.concat(parts, ignore_index=True)


def result(against, qualities, arm="chosen"):
    """What the function reads of a transfer's result; `qualities` of the reference on validation, a fold each."""
    folds = [{"fold": at, "validation": {"balanced_accuracy": quality}} for at, quality in enumerate(qualities)]
    details = SimpleNamespace(folds={against: folds})
    return SimpleNamespace(
        kind="transfer", target="t", part_of=None, control=None, arm=arm, against=against, level=0.05, details=details
    )


@pytest.fixture
def params():
    def question(baseline):
        return Question(target="t", arm="transfers/x", against=f"baselines/{baseline}")

    return SimpleNamespace(
        verdict=SETTINGS,
        run=SimpleNamespace(repeats=REPEATS),
        questions={"a": question("large"), "b": question("small"), "c": question("again")},
        baselines={name: SimpleNamespace(again=int(name == "again")) for name in ("large", "small", "again")},
    )


def test_baselines_of_a_target_are_those_of_its_questions_but_for_those_trained_again(params):
    assert baselines_of("t", params) == {"large": "a", "small": "b"} and baselines_of("other", params) == {}


def test_the_gain_is_over_the_baseline_that_validation_prefers_in_each_training(params):
    tables = {
        "a": predictions({"chosen": 0.8, "scratch": 0.5}),
        "b": predictions({"chosen": 0.6, "scratch": 0.7}, seed=1),
    }
    qualities = {"a": [0.9, 0.1, 0.1, 0.1], "b": [0.5] * 4}
    results = {name: result("scratch", each) for name, each in qualities.items()}
    found = advice(results, tables, params)
    assert set(found) == {"a", "b"} and found["a"].baselines == {"large": 1, "small": 3}

    def right(name, arm):
        table = tables[name][tables[name]["arm"] == arm]
        return ((table["p_good"] > 0.5) == (table["label"] == "good")).groupby(table["fold"]).mean().to_numpy()

    best = np.where(np.arange(4) == 0, right("a", "scratch"), right("b", "scratch"))
    assert found["a"].gain == pytest.approx((right("a", "chosen") - best).mean())
    assert found["b"].gain == pytest.approx((right("b", "chosen") - best).mean())
    assert found["a"].p_holm is not None and found["a"].level == 0.05


def test_a_single_baseline_gives_no_advice(params):
    del params.questions["b"]
    assert (
        advice({"a": result("scratch", [0.5] * 4)}, {"a": predictions({"chosen": 0.8, "scratch": 0.5})}, params) == {}
    )
