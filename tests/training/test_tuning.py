"""Fine-tuning methods: their learning-rate multipliers by depth and epoch, and their effect on a network."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from pipeline.networks.heads import build_head, with_head
from pipeline.registry.tuning import TUNING
from pipeline.training.fit import Plan, compile_model, fit
from pipeline.training.folds import Part
from pipeline.training.tuning import TuningMethod, variable_depths

DEPTH = np.array([3, 2, 2, 1, 0])
PLAN = Plan(
    learning_rate=0.01, epochs=6, patience=6, batch_size=8, schedule="constant", warmup=0.0, weight_decay=0.1, seed=3
)


@pytest.mark.parametrize("name", ["joint", "l2_sp"])
def test_all_blocks_learn_at_one_rate(name):
    assert TuningMethod(name).multipliers(DEPTH, 1, 6).tolist() == [1] * 5


def test_gradual_unfreezes_a_block_an_epoch_from_the_top():
    frozen = [(TuningMethod("gradual").multipliers(DEPTH, epoch, 6) == 0).tolist() for epoch in range(1, 5)]
    assert frozen == [[True, True, True, False, False], [True, False, False, False, False], [False] * 5, [False] * 5]


@pytest.mark.parametrize(("deepest", "epochs", "unfrozen"), [(18, 12, 6), (3, 1, 1), (6, 12, 6), (7, 2, 1)])
def test_gradual_has_all_blocks_unfrozen_by_half_of_the_epochs(deepest, epochs, unfrozen):
    depth = np.arange(deepest + 1)
    whole = [TuningMethod("gradual").multipliers(depth, epoch, epochs).all() for epoch in range(1, epochs + 1)]
    assert whole.index(True) + 1 == unfrozen


def test_layerwise_rates_fall_from_block_to_block():
    np.testing.assert_allclose(
        TuningMethod("layerwise", layer_decay=0.5).multipliers(DEPTH, 1, 6), [1 / 8, 1 / 4, 1 / 4, 1 / 2, 1]
    )


def test_only_l2_sp_pulls_and_it_takes_the_place_of_weight_decay():
    assert {name: TuningMethod(name, 0.5, 0.1).pull for name in TUNING} == {n: 0.1 * (n == "l2_sp") for n in TUNING}
    assert [name for name in TUNING if not TuningMethod(name).decays] == ["l2_sp"]


def network():
    """Two named blocks and a head on 4 x 4 pixels, and the depth of its variables."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    x = image = keras.Input((4, 4, 1), name="pixels")
    for name in ("block1", "block2"):
        x = keras.layers.Conv2D(3, 3, padding="same", activation="relu", name=f"{name}_conv")(x)
    backbone = keras.Model(image, x, name="body")
    model = with_head(backbone, build_head(3, 2, 0.0, 0.0))
    return model, variable_depths(model, backbone)


def data():
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 2
    inputs = rng.normal(size=(24, 4, 4, 1)).astype("float32") + labels[:, None, None, None]
    parts = [Part(p, labels[p], np.ones(len(p))) for p in (np.arange(16), np.arange(16, 24))]
    return lambda rows, which: inputs[rows], *parts


def by_epoch(plan):
    """The trainable weights after every epoch, from epoch 0 on."""
    (model, depth), (load, train, validation), seen = network(), data(), []
    fit(model, load, train, validation, plan, lambda row, best: seen.append(copies(model)), depth=depth)
    return seen


def copies(model):
    return [keras.ops.convert_to_numpy(variable).copy() for variable in model.trainable_variables]


def test_depth_counts_blocks_below_the_head():
    model, depth = network()
    found = {variable.path.split("/")[0]: int(d) for variable, d in zip(model.trainable_variables, depth, strict=True)}
    assert found == {"block1_conv": 2, "block2_conv": 1, "probs": 0}


def test_gradual_leaves_lower_blocks_to_the_bit_before_their_epoch():
    seen = by_epoch(replace(PLAN, method=TuningMethod("gradual")))
    still = [[np.array_equal(a, b) for a, b in zip(seen[0], weights, strict=True)] for weights in seen[:3]]
    lowest = [True, True]  # kernel and bias of block1
    assert still == [[True] * 6, [*lowest, False, False, False, False], [False] * 6]


def test_layerwise_first_steps_are_as_long_as_the_rates():
    """Adam's first step is as long as its rate wherever the gradient is not tiny."""
    plan = replace(PLAN, method=TuningMethod("layerwise", layer_decay=0.5), epochs=1, batch_size=16, weight_decay=0.0)
    before, after = by_epoch(plan)
    lengths = [np.abs(b - a).max() / plan.learning_rate for a, b in zip(before, after, strict=True)]
    np.testing.assert_allclose(lengths, [1 / 4, 1 / 4, 1 / 2, 1 / 2, 1, 1], rtol=1e-3)


def test_joint_is_training_with_keras_adamw():
    load, train, _ = data()
    ours, _ = network()
    theirs, _ = network()
    compile_model(ours, PLAN)
    ours.optimizer.restart(np.zeros(6), np.zeros(6, bool))
    optimizer = keras.optimizers.AdamW(PLAN.learning_rate, weight_decay=PLAN.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    theirs.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=False)
    for model in (ours, theirs):
        for _ in range(3):
            model.optimizer.learning_rate = PLAN.learning_rate
            model.train_on_batch(load(train.positions, None), train.labels)
    pairs = zip(copies(ours), copies(theirs), strict=True)
    assert all(one.tobytes() == other.tobytes() for one, other in pairs)


def test_l2_sp_keeps_the_backbone_near_its_source_and_draws_the_head_to_0():
    def distances(method):
        before, *_, after = by_epoch(replace(PLAN, method=method, epochs=30, patience=30, weight_decay=0.0))
        moved = sum(np.square(b - a).sum() for a, b in zip(before[:4], after[:4], strict=True))
        return moved, np.square(after[4]).sum()

    (free, free_head), (drawn, drawn_head) = distances(TuningMethod()), distances(TuningMethod("l2_sp", l2_sp=10.0))
    assert drawn < free / 10 and drawn_head < free_head / 5
