"""The rule of the forecast, and the yardstick that its scores are held against."""

import numpy as np
import pytest

from pipeline.forecast import vote
from pipeline.forecast.score_inputs import ScoreInputs, standardised
from pipeline.forecast.scores import SCORES
from pipeline.forecast.vote import forecast, z_scores


def inputs_of(signal, seed=0, images=80):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(images) % 2)
    features = rng.normal(size=(images, 6))
    features[:, 0] += signal * labels
    outputs = 1 / (1 + np.exp(-features[:, :2]))
    return ScoreInputs(
        standardised(features), np.arange(images), outputs / outputs.sum(1, keepdims=True), 2, seed
    ), labels


def z(**given):
    return dict.fromkeys(SCORES) | given


def test_z_is_the_distance_from_the_score_of_permuted_labels(monkeypatch):
    monkeypatch.setattr(vote, "SCORES", {"first": lambda inputs: lambda labels: float(labels[0])})
    it, labels = inputs_of(0.0)
    rng = np.random.default_rng(5)
    null = np.array([rng.permutation(labels)[0] for _ in range(50)], float)
    found = z_scores(it, labels, 50, seed=5)
    assert found["first"] == pytest.approx((labels[0] - null.mean()) / null.std())


def test_features_that_know_nothing_stay_near_0_and_those_that_know_are_far_above():
    nothing = [z_scores(*inputs_of(0.0, seed), 100, seed=1) for seed in range(20)]
    for name in SCORES:
        assert abs(np.mean([found[name] for found in nothing])) < 1, name
    for name, value in z_scores(*inputs_of(8.0), 100, seed=1).items():
        assert value > 5, name


def test_constant_features_and_a_missing_head_have_no_z():
    it, labels = inputs_of(1.0)
    flat = ScoreInputs(standardised(np.ones((80, 4))), it.groups, it.outputs, 2, 0)
    assert set(z_scores(flat, labels, 20, 0).values()) == {None}
    assert z_scores(ScoreInputs(it.features, it.groups, None, 2, 0), labels, 20, 0)["leep"] is None


@pytest.mark.parametrize(
    ("source", "random", "label", "votes"),
    [
        ({"logme": 3.0, "knn": 2.0, "gbc": 1.0}, {"logme": 1.0, "knn": 1.0, "gbc": 5.0}, "positive", (2, 3)),
        ({"logme": 3.0, "knn": 2.0}, {"logme": 1.0, "knn": 5.0}, "negative", (1, 2)),  # divided evenly
        ({"logme": 3.0, "knn": None}, {"logme": 1.0, "knn": 5.0}, "positive", (1, 1)),  # undefined: no vote
        ({}, {}, None, (0, 0)),
    ],
)
def test_most_votes_decide(source, random, label, votes):
    result = forecast([{"source": z(**source), "random": z(**random)}])
    assert (result["label"], (result["positive_votes"], result["votes"])) == (label, votes)
    assert result["reason"].startswith(f"{votes[0]} of {votes[1]} scores rate the source's features")


def test_folds_are_averaged_and_a_score_that_one_of_them_lacks_is_out():
    folds = [
        {"source": z(logme=1.0, gbc=9.0), "random": z(logme=2.0, gbc=0.0)},
        {"source": z(logme=5.0), "random": z(logme=2.0, gbc=0.0)},
    ]
    result = forecast(folds)
    assert result["scores"]["logme"] == {"source": 3.0, "random": 2.0, "vote": "positive"}
    assert result["scores"]["gbc"]["vote"] is None
