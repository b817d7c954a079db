"""A registered criterion is accepted by params, listed in messages, and selects."""

import numpy as np
import pytest

from pipeline.adaptation.criteria import Trial
from pipeline.config.loading import check_params
from pipeline.registry.criteria import CRITERIA

from .asking import params, refusal
from .problem import chosen_by, settings


def doubt(trial: Trial) -> float:
    """Prefers a probability of the second class near to one half, over the validation part."""
    return -float(np.abs(trial.adapted.predict(trial.validation)[:, 1] - 0.5).mean())


@pytest.fixture(autouse=True)
def doubting(monkeypatch):
    monkeypatch.setitem(CRITERIA, "doubt", f"{__name__}:doubt")


def test_params_accept_it():
    raw = params()
    raw["adapt"]["criterion"] = "doubt"
    assert check_params(raw).adapt.criterion == "doubt"


def test_the_refusal_of_another_lists_it():
    raw = params()
    raw["adapt"]["criterion"] = "doubts"
    allowed = "reverse_validation, neighbourhood_density, information, entropy, doubt"
    expected = f"should be one of {allowed} (did you mean 'doubt'?); received 'doubts'"
    assert refusal(raw) == f"adapt.criterion: {expected}"


def test_it_chooses():
    table = chosen_by(settings(criterion="doubt")).candidates
    assert table["chosen"].tolist() == (table["criterion"] == table["criterion"].max()).tolist()
    assert (table["criterion"] <= 0).all()  # its own values, of which those of `entropy` are others
    assert table["criterion"].tolist() != chosen_by(settings(criterion="entropy")).candidates["criterion"].tolist()
