import keras
import numpy as np
import pytest

from pipeline.networks.architectures import build_backbone
from pipeline.networks.freezing import (
    assert_unmoved,
    batch_norm_statistics,
    blocks,
    cut_layer,
    set_trainable,
    split_at,
)
from pipeline.networks.graph import cut_positions, steps
from pipeline.registry.architectures import block_count
from pipeline.registry.blocks import block_names, may_unfreeze
from pipeline.store.errors import InputError


@pytest.fixture(scope="module")
def lite0():
    return build_backbone("efficientnet_lite0", 32, seed=0)


def images(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (count, size, size, 3)).astype("float32")


def numpy(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


LITE0_BLOCKS = ["stem", "block1a", "block2a", "block2b", "block3a", "block3b", "block4a", "block4b", "block4c"]
LITE0_BLOCKS += ["block5a", "block5b", "block5c", "block6a", "block6b", "block6c", "block6d", "block7a", "top"]


def test_lite0_blocks(lite0):
    found = blocks(lite0)
    assert [block.name for block in found] == LITE0_BLOCKS == block_names("efficientnet_lite0")
    assert_all_may_be_unfrozen("efficientnet_lite0", lite0)
    assert block_count("efficientnet_lite0") == len(found)
    assert [found[i].output for i in (0, 3, -1)] == ["stem_activation", "block2b_add", "top_activation"]
    assert [name for block in found for name in block.layers] == [layer.name for layer in lite0.layers]


def assert_all_may_be_unfrozen(name, backbone):
    """`check` refuses no name that `cut_layer` takes."""
    listed = steps(backbone)
    cuts = {listed[position].name for position in cut_positions(listed)}
    parents = {step.name: {tensor._keras_history[0].name for tensor in step.inputs} for step in listed}
    taken = [layer for layer, above in parents.items() if len(above) == 1 and above <= cuts]
    assert len(taken) > 4 and not [layer for layer in taken if not may_unfreeze(name, layer)]


FAMILIES = [  # name, size, number of blocks, some (place, name, output)
    ("MobileNetV2", 32, 19, [(0, "stem", "Conv1_relu"), (1, "expanded_conv", None), (-2, "block_16", None)]),
    (
        "ResNet50",
        32,
        17,
        [(0, "stem", "pool1_pool"), (1, "conv2_block1", "conv2_block1_out"), (-1, "conv5_block3", None)],
    ),
    ("VGG16", 32, 6, [(1, "block1", "block1_pool"), (-1, "block5", "block5_pool")]),
    ("EfficientNetV2B0", 32, 23, [(1, "block1a", None), (-2, "block6h", "block6h_add"), (-1, "top", "top_activation")]),
    ("DenseNet121", 32, 60, [(1, "conv2_block1", "conv2_block1_concat"), (-1, "top", "relu")]),
    ("InceptionV3", 75, 12, [(1, "mixed0", "mixed0"), (-1, "mixed10", "mixed10")]),
    ("MobileNet", 32, 14, [(1, "block_1", "conv_pw_1_relu"), (-1, "block_13", "conv_pw_13_relu")]),
]


@pytest.mark.parametrize(("name", "size", "count", "expected"), FAMILIES, ids=[family[0] for family in FAMILIES])
def test_blocks_of_the_families(name, size, count, expected):
    backbone = build_backbone(name, size, seed=0)
    found = blocks(backbone)
    assert len(found) == count == block_count(name)
    assert [block.name for block in found] == block_names(name)
    assert_all_may_be_unfrozen(name, backbone)
    assert found[0].name == "stem"
    for place, block, output in expected:
        assert found[place].name == block and (output is None or found[place].output == output)
    assert [name for block in found for name in block.layers] == [step.name for step in steps(backbone)]
    assert len({block.name for block in found}) == count


def test_blocks_of_an_unknown_network(tiny):
    assert [(b.name, b.output) for b in blocks(tiny)] == [
        ("stem", "pixels"),
        ("first", "first"),
        ("norm", "norm"),
        ("second", "join"),
        ("last", "last"),
    ]


def test_cut_positions_against_brute_force(lite0, tiny):
    """A step is a cut exactly if, without it, the output can't be reached from the input."""
    for model in (tiny, lite0):
        listed = steps(model)
        for position, step in enumerate(listed):
            alive: set[int] = set()
            for other in listed:
                if other is not step and (not other.inputs or any(id(tensor) in alive for tensor in other.inputs)):
                    alive.update(id(tensor) for tensor in other.outputs)
            assert (position in cut_positions(listed)) == (id(model.outputs[0]) not in alive)


@pytest.mark.parametrize(
    ("unfreeze", "cut"),
    [
        (0, "top_activation"),
        (1, "block7a_project_bn"),
        (2, "block6d_add"),
        (len(LITE0_BLOCKS), "pixels"),
        ("all", "pixels"),
        ("stem", "pixels"),
        ("block6a", "block5c_add"),
        ("top_bn", "top_conv"),
        ("block6b_expand_conv", "block6a_project_bn"),
    ],
)
def test_cut_layer(lite0, unfreeze, cut):
    assert cut_layer(lite0, unfreeze) == cut


@pytest.mark.parametrize("unfreeze", [-1, 99, "block9", "block6b_depthwise_conv"])
def test_wrong_cuts_name_the_allowed(lite0, unfreeze):
    with pytest.raises(InputError, match=r"unfreeze is.*block6a"):
        cut_layer(lite0, unfreeze)
    with pytest.raises(InputError, match="cannot be cut after"):
        split_at(lite0, str(unfreeze))


@pytest.mark.parametrize("unfreeze", [0, 1, 3, "block2b"])
def test_split_parts_make_the_whole(lite0, unfreeze):
    trunk, top = split_at(lite0, cut_layer(lite0, unfreeze))
    pixels = images(2, 32)
    assert trunk is not None and top.input.name == "activation"
    np.testing.assert_allclose(numpy(top(trunk(pixels))), numpy(lite0(pixels)), rtol=1e-5, atol=1e-6)


def test_cut_at_the_input_has_no_trunk(lite0):
    assert split_at(lite0, "pixels") == (None, lite0)


def test_training_the_top_trains_the_backbone(tiny):
    trunk, top = split_at(tiny, cut_layer(tiny, "last"))
    assert trunk is not None and top.get_layer("last") is tiny.get_layer("last")
    set_trainable(tiny, "join", "frozen")
    before, pixels = {v.path: numpy(v).copy() for v in tiny.weights}, images(8, 12)
    top.compile("sgd", "mse")
    top.fit(numpy(trunk(pixels)), np.ones((8, 12, 12, 5), "float32"), verbose=0)
    moved = {path for path, value in before.items() if not np.array_equal(value, numpy(tiny_weight(tiny, path)))}
    assert {path.split("/")[0] for path in moved} == {"last"}
    np.testing.assert_allclose(numpy(top(trunk(pixels))), numpy(tiny(pixels)), rtol=1e-5, atol=1e-5)


def tiny_weight(model, path):
    return next(variable for variable in model.weights if variable.path == path)


def test_frozen_batch_norm_does_not_move_in_fit(tiny):
    set_trainable(tiny, "pixels", "frozen")
    before = batch_norm_statistics(tiny)
    assert set(before) == {f"{n}/moving_{s}" for n in ("norm", "second_norm") for s in ("mean", "variance")}
    assert tiny.get_layer("first").trainable and not tiny.get_layer("norm").trainable
    fit_once(tiny)
    assert_unmoved(before, batch_norm_statistics(tiny))


def test_control_training_batch_norm_moves_behind_the_cut_only(tiny):
    set_trainable(tiny, "norm", "train")
    frozen = batch_norm_statistics(tiny)
    assert set(frozen) == {"norm/moving_mean", "norm/moving_variance"}
    second = numpy(tiny.get_layer("second_norm").moving_mean).copy()
    fit_once(tiny)
    assert_unmoved(frozen, batch_norm_statistics(tiny))
    assert not np.array_equal(second, numpy(tiny.get_layer("second_norm").moving_mean))


def fit_once(model):
    model.compile("sgd", "mse")
    model.fit(images(8, 12), np.ones((8, 12, 12, 5), "float32"), verbose=0)


def test_moved_or_lost_statistics_are_named():
    before = {"a/moving_mean": np.zeros(2), "b/moving_mean": np.zeros(2), "c/moving_mean": np.zeros(2)}
    with pytest.raises(RuntimeError, match=r"training: a, b$"):
        assert_unmoved(before, {"a/moving_mean": np.ones(2), "c/moving_mean": np.zeros(2)})
