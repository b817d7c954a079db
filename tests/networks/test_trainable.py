"""A network that was saved frozen is trained as the plan says; a network that is not is an error."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.arms.networks import ScratchNetwork, TunedNetwork
from pipeline.networks.freezing import batch_norms, blocks, cut_layer
from pipeline.networks.graph import flat_layers
from pipeline.networks.heads import build_head
from pipeline.networks.published import load_published
from pipeline.networks.saving import save_model
from pipeline.networks.trainable import check_trainable, learnable, parameters, unfreeze
from pipeline.pretraining.task import prepare
from pipeline.store.files import sha256_file


def network() -> keras.Model:
    """Nested models, a wrapper, batch norms and fixed statistics: 4 layers with weights to learn, 2 with statistics."""
    pixels = keras.Input((16, 16, 3), name="pixels")
    inner = keras.Sequential(
        [keras.Input((16, 16, 4)), layers.Conv2D(4, 3, name="inner_conv"), layers.BatchNormalization(name="inner_bn")],
        name="inner",
    )
    x = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0], name="scaled")(pixels)
    x = layers.BatchNormalization(name="bn")(layers.Conv2D(4, 3, padding="same", name="conv")(x))
    x = layers.TimeDistributed(layers.Dense(5, name="dense"), name="wrapper")(inner(x))
    return keras.Model(pixels, x, name="small")


LEARNABLE = (3 * 3 * 3 * 4 + 4) + 8 + (3 * 3 * 4 * 4 + 4) + 8 + (4 * 5 + 5)  # two convolutions, two norms, one dense

FREEZE: dict[str, Callable[[keras.Model], None]] = {
    "nothing": lambda model: None,
    "the model": lambda model: setattr(model, "trainable", False),
    "every layer": lambda model: [setattr(layer, "trainable", False) for layer in model.layers] and None,
    "the lower layers": lambda model: [setattr(layer, "trainable", False) for layer in model.layers[:3]] and None,
    "a nested model": lambda model: setattr(model.get_layer("inner"), "trainable", False),
    "a layer of a nested model": lambda model: setattr(model.get_layer("inner").layers[0], "trainable", False),
    "a layer inside a wrapper": lambda model: setattr(model.get_layer("wrapper").layer, "trainable", False),
    "batch norms": lambda model: (
        [
            setattr(layer, "trainable", False)
            for layer in flat_layers(model)
            if isinstance(layer, layers.BatchNormalization)
        ]
        and None
    ),
}


@pytest.fixture(params=FREEZE)
def frozen(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    model = network()
    FREEZE[request.param](model)
    model.save(tmp_path / "frozen.keras")
    return tmp_path / "frozen.keras"


def test_a_network_saved_frozen_becomes_a_source_that_is_all_trainable(frozen: Path) -> None:
    backbone, card = load_published(str(frozen), "file", 16, sha256_file(frozen))
    assert card["parameters"] == parameters(learnable(backbone)) == LEARNABLE
    assert [block.name for block in blocks(backbone)] == ["stem", "conv", "bn", "inner", "wrapper"]
    check_trainable(backbone)
    prepare(backbone, 0.9)
    assert parameters(backbone.trainable_variables) == LEARNABLE


def test_its_architecture_is_trained_from_scratch_whole(frozen: Path) -> None:
    scratch = ScratchNetwork(str(frozen), 16, 2, 0.9, sha256_file(frozen)).build(0.0, 0.0, 0)
    assert parameters(scratch.trained.trainable_variables) == LEARNABLE + 5 * 2 + 2
    norms = [layer for layer in flat_layers(scratch.whole) if isinstance(layer, layers.BatchNormalization)]
    assert [layer.momentum for layer in norms] == [0.9, 0.9]


@pytest.mark.parametrize(("batch_norm", "norms"), [("train", 8), ("frozen", 0)])
@pytest.mark.parametrize(("unfreeze", "expected"), [("all", LEARNABLE - 16), (1, 4 * 5 + 5)])
def test_it_is_tuned_as_far_as_the_plan_says(
    frozen: Path, tmp_path: Path, batch_norm: str, norms: int, unfreeze: int | str, expected: int
) -> None:
    backbone, _ = load_published(str(frozen), "file", 16, sha256_file(frozen))
    save_model(backbone, tmp_path / "backbone.keras")
    save_model(build_head(5, 2, 0.0, 0.0), tmp_path / "head.keras")
    arm = TunedNetwork(
        tmp_path / "backbone.keras", tmp_path / "head.keras", cut_layer(backbone, unfreeze), 16, batch_norm
    )
    trained = arm.build(0.0, 0.0, 0).trained
    trained_norms = 2 * norms if unfreeze == "all" else 0
    assert parameters(trained.trainable_variables) == expected + trained_norms + 5 * 2 + 2


@pytest.mark.parametrize(
    ("statistics", "momentum"), [(("train", 0.9), 0.9), (("train", None), 0.99), (("frozen", 0.9), 0.99)]
)
def test_tuned_statistics_get_a_momentum_where_they_are_trained(
    frozen: Path, tmp_path: Path, statistics: tuple[str, float | None], momentum: float
) -> None:
    backbone, _ = load_published(str(frozen), "file", 16, sha256_file(frozen))
    save_model(backbone, tmp_path / "backbone.keras")
    save_model(build_head(5, 2, 0.0, 0.0), tmp_path / "head.keras")
    arm = TunedNetwork(
        tmp_path / "backbone.keras", tmp_path / "head.keras", cut_layer(backbone, "all"), 16, *statistics
    )
    assert {layer.momentum for layer in batch_norms(arm.build(0.0, 0.0, 0).trained)} == {momentum}


def test_statistics_of_nested_normalisations_survive_new_weights(tmp_path: Path) -> None:
    inner = keras.Sequential([keras.Input((16, 16, 3)), layers.Normalization(name="scaled")], name="inner")
    inner.layers[0].adapt(np.random.default_rng(0).normal(3, 2, (64, 16, 16, 3)).astype("float32"))
    pixels = keras.Input((16, 16, 3), name="pixels")
    keras.Model(pixels, layers.Conv2D(2, 3)(inner(pixels))).save(tmp_path / "nested.keras")
    digest = sha256_file(tmp_path / "nested.keras")
    scratch = ScratchNetwork(str(tmp_path / "nested.keras"), 16, 2, 0.9, digest).build(0.0, 0.0, 0)
    found = next(layer for layer in flat_layers(scratch.whole) if isinstance(layer, layers.Normalization))
    np.testing.assert_allclose(np.ravel(keras.ops.convert_to_numpy(found.mean)), [3, 3, 3], atol=0.1)


def test_a_layer_left_frozen_or_left_trainable_is_an_error() -> None:
    model = network()
    model.get_layer("inner").layers[0].trainable = False
    with pytest.raises(RuntimeError, match=rf"small has {LEARNABLE - 148} trainable parameters where {LEARNABLE} are"):
        check_trainable(model)
    unfreeze(model)
    check_trainable(model)
    with pytest.raises(RuntimeError, match=f"where {LEARNABLE - 8} are planned"):
        check_trainable(model, [model.get_layer("bn")])
