"""A registered architecture is accepted by params, listed in messages, and built with random or published weights."""

import keras
import numpy as np
import pytest

from pipeline.config.loading import check_params
from pipeline.networks.architectures import build_backbone
from pipeline.networks.published import load_published
from pipeline.registry.architectures import ARCHITECTURES, ArchitectureEntry, ImageNetWeights
from pipeline.store.errors import InputError

from .asking import params, refusal


def build(image_size: int) -> keras.Model:
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    return keras.Model(pixels, keras.layers.Conv2D(4, 3, name="block1_conv")(pixels), name="one_layer")


def load_ones(image_size: int) -> tuple[keras.Model, str, str]:
    backbone = build(image_size)
    backbone.set_weights([np.ones(weight.shape) for weight in backbone.get_weights()])
    return backbone, "this module", "ab" * 32


@pytest.fixture(autouse=True)
def one_layer(monkeypatch):
    weights = ImageNetWeights(f"{__name__}:load_ones", "CC0-1.0")
    monkeypatch.setitem(ARCHITECTURES, "one_layer", ArchitectureEntry(f"{__name__}:build", "none", "nobody", weights))


def test_params_accept_it_with_the_weights_that_it_has():
    raw = params()
    raw["sources"]["own"] = {"architecture": "one_layer", "weights": "imagenet"}
    assert check_params(raw).sources["own"].architecture == "one_layer"
    raw["sources"]["own"]["weights"] = "file"
    assert refusal(raw) == "sources.own.weights: received 'file'; one_layer has imagenet or random"


def test_the_refusal_of_another_lists_it():
    raw = params()
    raw["sources"]["own"] = {"architecture": "onelayer", "weights": "random"}
    fault = refusal(raw)
    assert fault.startswith("sources.own.architecture: unknown architecture 'onelayer' (did you mean 'one_layer'?)")
    assert "resnet10_small, one_layer, a model of keras.applications (ConvNeXtTiny" in fault
    with pytest.raises(InputError, match=r"^Unknown architecture 'onelayer' \(did you mean 'one_layer'\?\); allowed"):
        build_backbone("onelayer", 32, seed=0)


def test_it_is_built_with_random_weights_by_its_seed():
    kernels = [build_backbone("one_layer", 32, seed).get_weights()[0] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.allclose(kernels[0], kernels[2])


def test_its_published_weights_come_with_their_card():
    backbone, card = load_published("one_layer", "imagenet", 32)
    assert all((weight == 1).all() for weight in backbone.get_weights())
    facts = {"origin": "this module", "licence": "CC0-1.0", "sha256": "ab" * 32, "preprocessing": "none"}
    assert card | facts | {"citation": "nobody", "parameters": 112} == card
