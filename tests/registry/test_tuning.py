"""A registered fine-tuning method is accepted by params, listed in messages, and sets the multipliers."""

import numpy as np
import pytest

from pipeline.arms.specs import method_of
from pipeline.config.loading import check_params
from pipeline.registry.tuning import TUNING, TuningEntry
from pipeline.training.tuning import TuningMethod

from .asking import params, refusal


def odd_epochs(method: TuningMethod, depth: np.ndarray, epoch: int, epochs: int) -> np.ndarray:
    """The head learns always, the backbone in odd epochs."""
    return np.where(depth == 0, 1.0, epoch % 2)


@pytest.fixture(autouse=True)
def odd(monkeypatch):
    monkeypatch.setitem(TUNING, "odd", TuningEntry(f"{__name__}:odd_epochs", anchored=True))


def test_params_accept_it_and_training_takes_its_multipliers():
    raw = params()
    raw["tune"]["method"] = "odd"
    method = method_of(check_params(raw), "to-defect")
    depth = np.array([2, 1, 0])
    assert [method.multipliers(depth, epoch, 3).tolist() for epoch in (1, 2, 3)] == [[1, 1, 1], [0, 0, 1], [1, 1, 1]]
    assert (method.pull, method.decays) == (raw["tune"]["l2_sp"], False)


def test_the_refusal_of_another_lists_it():
    raw = params()
    raw["transfers"]["to-defect"]["method"] = "odds"
    expected = "should be one of joint, gradual, layerwise, l2_sp, odd (did you mean 'odd'?); received 'odds'"
    assert refusal(raw) == f"transfers.to-defect.method: {expected}"
