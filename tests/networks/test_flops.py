import math

import keras
import pytest
from keras import layers

from pipeline.networks.architectures import build_backbone
from pipeline.networks.flops import (
    backward_flops,
    forward_and_backward,
    forward_flops,
    per_layer,
    spending,
    training_flops,
)


def single(layer, shape=(8, 8, 3)) -> int:
    x = keras.Input(shape)
    return forward_flops(keras.Model(x, layer(x)))


@pytest.mark.parametrize(
    ("layer", "flops"),
    [
        (layers.Conv2D(5, 3, padding="same", use_bias=False), 2 * 3 * 3 * 3 * 5 * 64),
        (layers.Conv2D(5, 3, strides=2, padding="same"), 2 * 27 * 5 * 16 + 5 * 16),
        (layers.Conv2D(5, 3, activation="relu"), 2 * 27 * 5 * 36 + 2 * 5 * 36),
        (layers.Conv2D(6, 1, groups=3, use_bias=False), 2 * 6 * 64),
        (layers.DepthwiseConv2D(5, padding="same", depth_multiplier=2, use_bias=False), 2 * 25 * 6 * 64),
        (layers.SeparableConv2D(7, 3, padding="same", use_bias=False), 2 * 64 * (9 * 3 + 3 * 7)),
        (layers.Conv2DTranspose(4, 2, strides=2, use_bias=False), 2 * 4 * 3 * 4 * 64),
        (layers.Dense(10), 64 * (2 * 3 * 10 + 10)),
        (layers.BatchNormalization(), 2 * 192),
        (layers.ReLU(), 192),
        (layers.MaxPooling2D(2), 4 * 48),
        (layers.GlobalAveragePooling2D(), 192),
        (layers.Flatten(), 0),
        (layers.ZeroPadding2D(1), 0),
    ],
    ids=lambda value: value.__class__.__name__ if isinstance(value, layers.Layer) else "",
)
def test_hand_computed(layer, flops):
    assert single(layer) == flops


def test_lite0_has_the_published_size_and_the_cost_that_pytorch_counts():
    """4.65 M parameters, and the multiply-accumulates that PyTorch's FlopCounterMode counts, exactly, with the head.

    (On the forward pass of reference/make_lite_reference.py. Lite0's published table says 407 M without saying what
    it counts; convolutions and the head alone are 5 % less.)
    """
    backbone = build_backbone("efficientnet_lite0", 224, seed=0)
    pooled = layers.GlobalAveragePooling2D()(backbone.output)
    model = keras.Model(backbone.input, layers.Dense(1000, name="head")(pooled))
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == 4_652_008
    macs = sum(flops for name, flops in per_layer(model).items() if name.endswith("_conv") or name == "head") / 2
    assert macs == 385_187_552 + 1000 / 2  # the bias of the head
    assert 2 * macs < forward_flops(model) < 2.1 * macs
    assert forward_flops(model) / 2 == pytest.approx(407e6, rel=0.06)  # the published figure


def test_resnet10_small_costs_what_its_convolutions_do():
    """By hand at 160 pixels: 80 after the stem, 40 after the pooling, then 20, 10 and 5."""
    stem, first = 27 * 32 * 80**2, 2 * 9 * 32 * 32 * 40**2
    rest = sum(
        (9 * below * width + 9 * width * width + below * width) * size**2
        for below, width, size in ((32, 64, 20), (64, 128, 10), (128, 128, 5))
    )
    parts = per_layer(build_backbone("resnet10_small", 160, seed=0))
    assert sum(flops for name, flops in parts.items() if name.endswith("_conv")) == 2 * (stem + first + rest)
    assert parts["stem_pool"] == 9 * 40 * 40 * 32


def test_training_costs_what_is_trained(tiny):
    parts, total = per_layer(tiny), forward_flops(tiny)
    assert (
        training_flops(tiny) == 3 * total - parts["first"] - parts["join"]
    )  # pixels need no gradient, Add has no weights
    for layer in tiny.layers:
        layer.trainable = layer.name == "last"
    assert training_flops(tiny) == total + parts["last"]
    tiny.trainable = False
    assert training_flops(tiny) == total
    for layer in tiny.layers:
        layer.trainable = layer.name == "second"
    after = parts["second_norm"] + parts["join"] + parts["last"]
    assert training_flops(tiny) == total + parts["second"] + after


def test_backward_by_hand():
    """Two Dense layers of 3 x 4 and 4 x 2: the first needs no gradient of its inputs, a frozen one none of weights."""
    pixels = keras.Input((3,))
    first, second = layers.Dense(4, use_bias=False, name="first"), layers.Dense(2, use_bias=False, name="second")
    model = keras.Model(pixels, second(layers.ReLU()(first(pixels))))
    assert forward_flops(model) == 2 * 12 + 4 + 2 * 8
    assert backward_flops(model) == 2 * 12 + 4 + 2 * (2 * 8)
    first.trainable = False
    assert backward_flops(model) == 2 * 8
    first.trainable, second.trainable = True, False
    assert backward_flops(model) == 2 * 12 + 4 + 2 * 8
    first.trainable = False
    assert backward_flops(model) == 0


def test_a_frozen_trunk_has_no_backward_and_a_head_on_it_only_its_own(tiny):
    tiny.trainable = False
    assert backward_flops(tiny) == 0
    pixels = keras.Input((12, 12, 3))
    head = layers.Dense(2, use_bias=False)
    probe = keras.Model(pixels, head(layers.GlobalAveragePooling2D()(tiny(pixels))))
    assert backward_flops(probe) == 2 * 5 * 2
    assert training_flops(probe) == forward_flops(probe) + 2 * 5 * 2
    tiny.trainable = True  # in full: twice forward, but for pixels, which need no gradient, and what has no weights
    parts, places = per_layer(tiny), 12 * 12 * 5
    assert backward_flops(probe) == 2 * forward_flops(tiny) - parts["first"] - parts["join"] + places + 2 * 2 * 5 * 2


def test_what_is_only_predicted_goes_forward_and_both_parts_add_up(tiny):
    spent = spending(tiny)
    forward, backward = forward_flops(tiny) / 1e9, backward_flops(tiny) / 1e9
    assert spent(0, 5) == {"gflops": 5 * forward, "backward_gflops": 0}
    took = spent(7, 5)
    assert took["backward_gflops"] == 7 * backward
    assert took["gflops"] == pytest.approx(7 * (forward + backward) + 5 * forward)
    parts = forward_and_backward(took["gflops"], took["backward_gflops"])
    assert parts["forward_gflops"] == pytest.approx(12 * forward)
    assert parts["forward_gflops"] + parts["backward_gflops"] == pytest.approx(parts["gflops"], rel=1e-15)


def test_a_nested_model_counts_like_its_layers(tiny):
    pixels = keras.Input((12, 12, 3))
    outer = keras.Model(pixels, layers.ReLU(name="act")(tiny(pixels)))
    assert per_layer(outer)["tiny/second"] == per_layer(tiny)["second"]
    assert forward_flops(outer) == forward_flops(tiny) + 12 * 12 * 5


def test_unknown_weighted_layers_and_open_sizes_are_refused():
    with pytest.raises(ValueError, match=r"No FLOPs formula for layer .* PReLU"):
        single(layers.PReLU())
    with pytest.raises(ValueError, match="fixed image size"):
        single(layers.Conv2D(2, 3), (None, None, 3))


def test_layers_of_their_own_that_families_bring_are_counted():
    scaled = build_backbone("ConvNeXtTiny", 32, seed=0)
    counted = per_layer(scaled)
    assert counted["convnext_tiny_stage_0_block_0_layer_scale"] == 8 * 8 * 96
