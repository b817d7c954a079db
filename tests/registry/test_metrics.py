"""A registered metric is accepted by params, listed in messages, and decides a verdict."""

import numpy as np
import pytest

from pipeline.config.loading import check_params
from pipeline.registry.metrics import DECIDING, REPORTED
from pipeline.verdict.decision import decide
from pipeline.verdict.metrics import METRICS, Metric
from pipeline.verdict.pairs import pair

from .asking import params, refusal


def _recall_of_the_last_class(labels, probabilities, weights):
    last = labels == probabilities.shape[1] - 1
    hits = probabilities.argmax(1) == labels
    return float(np.average(hits[last], weights=weights[last])) if last.any() else None


RECALL = Metric(_recall_of_the_last_class, higher_is_better=True)


@pytest.fixture(autouse=True)
def recall(monkeypatch):
    monkeypatch.setitem(DECIDING, "recall", f"{__name__}:RECALL")


def test_params_accept_it():
    raw = params()
    raw["verdict"]["metric"] = "recall"
    assert check_params(raw).verdict.metric == "recall"


@pytest.mark.parametrize("metric", ["recal", "log_loss"])
def test_the_refusal_of_another_lists_it(metric):
    raw = params()
    raw["verdict"]["metric"] = metric
    fault = refusal(raw)
    assert fault.startswith("verdict.metric: should be one of balanced_accuracy, accuracy, macro_f1, roc_auc, recall")
    assert fault.endswith(f"; received '{metric}'")


def test_a_verdict_is_decided_by_it():
    labels = np.arange(200) % 2
    weak, strong = (np.full((200, 2), 0.5) for _ in range(2))
    strong[:, 1] += 0.1 * np.where(np.arange(200) % 8 == 1, -1, labels * 2 - 1)  # misses a quarter of class 1
    weak[:, 0] += 0.1  # always class 0
    data = pair(labels, strong, weak, fold=np.arange(200) // 50, group=np.arange(200) // 2)
    verdict = decide(data, "recall")
    assert (verdict.metric, verdict.gain, verdict.label) == ("recall", 0.75, "positive")


def test_all_registered_metrics_are_reported_those_that_decide_first():
    assert list(METRICS) == [*DECIDING, *REPORTED]
    assert METRICS["recall"] is RECALL
