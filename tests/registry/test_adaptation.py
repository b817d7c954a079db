"""A registered adaptation method is accepted by params, listed in messages, and tried at every strength."""

import pytest

from pipeline.adaptation.problem import Adapted, Adapter, Images, Source
from pipeline.config.loading import check_params
from pipeline.config.schema import Adapt
from pipeline.registry.adaptation import ADAPTATION, AdaptationEntry

from .asking import params, refusal
from .problem import by_sign, chosen_by, settings


def prepare(source: Source, asked: Adapt) -> Adapter:
    def adapt(target: Images, strength: float, seed: int) -> Adapted:
        return by_sign(strength)

    return adapt


@pytest.fixture(autouse=True)
def oracle(monkeypatch):
    monkeypatch.setitem(ADAPTATION, "sign", AdaptationEntry(f"{__name__}:prepare", strengths=True))


def test_params_accept_it():
    raw = params()
    raw["adapt"]["methods"] = ["coral", "sign"]
    assert check_params(raw).adapt.methods == ["coral", "sign"]


def test_the_refusal_of_another_lists_it():
    raw = params()
    raw["adapt"]["methods"] = ["coral", "sing"]
    allowed = "adabn, coral, deep_coral, mmd, dann, pseudo_labels, mcc, sign"
    expected = f"should be one of {allowed} (did you mean 'sign'?); received 'sing'"
    assert refusal(raw) == f"adapt.methods.1: {expected}"


def test_it_adapts_at_every_strength():
    chosen = chosen_by(settings(methods=["sign"], strength=[0.9, 1.0]))
    assert chosen.candidates["method"].tolist() == ["source_only", "sign", "sign"]
    assert chosen.candidates["strength"].tolist()[1:] == [0.9, 1.0]
    assert chosen.candidates["chosen"].tolist() == [False, False, True]  # the surest, by entropy
    assert chosen.adapted.argmax(1).tolist() == [0, 1] * 5
