"""BlockwiseAdamW against Keras' AdamW and closed forms; frozen weights do not change."""

import keras
import numpy as np
import pytest

from pipeline.training.optimizer import BlockwiseAdamW

RATE, DECAY = 0.01, 0.1
INITIAL = {"a/kernel": [[1.0, -2.0]], "b/kernel": [[0.5, 4.0]], "b/bias": [3.0]}


def variables():
    return [keras.Variable(np.float32(value), name=name.rpartition("/")[2]) for name, value in INITIAL.items()]


def gradients(step):
    rng = np.random.default_rng(step)
    return [keras.ops.convert_to_tensor(rng.normal(size=np.shape(v)).astype("float32")) for v in INITIAL.values()]


def trained(optimizer, weights, steps=3):
    for step in range(steps):
        optimizer.apply(gradients(step), weights)
    return [keras.ops.convert_to_numpy(weight).copy() for weight in weights]


def blockwise(weights, multipliers=(1, 1, 1), pulls=(0, 0, 0), anchored=(True, True, False), decay=DECAY):
    optimizer = BlockwiseAdamW(RATE, decay, pulled=any(pulls))
    optimizer.build(weights)
    optimizer.restart(np.array(pulls, "float32"), np.array(anchored))
    optimizer.multipliers.assign(np.array(multipliers, "float32"))
    return optimizer


def plain(weights):
    optimizer = keras.optimizers.AdamW(RATE, weight_decay=DECAY)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build(weights)
    return optimizer


def test_with_every_multiplier_1_it_is_keras_adamw_to_the_bit():
    ours, theirs = variables(), variables()
    pairs = zip(trained(blockwise(ours), ours), trained(plain(theirs), theirs), strict=True)
    assert all(one.tobytes() == other.tobytes() for one, other in pairs)


def test_a_multiplier_scales_the_step_and_its_decay():
    """Adam's first step is the rate times the gradient's sign; decay is rate * decay * w."""
    weights = variables()
    moved = trained(blockwise(weights, multipliers=(0.5, 0.25, 0.125)), weights, steps=1)
    signs = [np.sign(keras.ops.convert_to_numpy(gradient)) for gradient in gradients(0)]
    for after, before, sign, multiplier, decay in zip(
        moved, INITIAL.values(), signs, (0.5, 0.25, 0.125), (DECAY, DECAY, 0.0), strict=True
    ):
        expected = np.array(before) - RATE * multiplier * (sign + decay * np.array(before))
        np.testing.assert_allclose(after, expected, rtol=1e-5)


def test_multiplier_0_leaves_weights_to_the_bit_and_can_be_lifted():
    weights = variables()
    optimizer = blockwise(weights, multipliers=(0, 1, 1))
    moved = trained(optimizer, weights)
    assert moved[0].tobytes() == np.float32(INITIAL["a/kernel"]).tobytes()
    assert not np.array_equal(moved[1], INITIAL["b/kernel"])
    optimizer.multipliers.assign(np.ones(3, "float32"))
    assert not np.array_equal(trained(optimizer, weights, 1)[0], moved[0])


def test_a_pull_adds_strength_times_the_distance_from_the_anchor_to_the_gradient():
    """The first moment after a step from the anchors and one more is 0.1 g1 * 0.9 + 0.1 g2, g with its pull."""
    weights, pulls = variables(), (0.0, 0.3, 0.7)
    optimizer = blockwise(weights, pulls=pulls, decay=0.0)
    between = trained(optimizer, weights, steps=1)
    first = [keras.ops.convert_to_numpy(gradient) for gradient in gradients(0)]
    first[2] = first[2] + 0.7 * np.array(INITIAL["b/bias"])  # anchored at 0; the others start at their anchors
    optimizer.apply(gradients(1), weights)
    for index, (gradient, anchor) in enumerate(
        zip(gradients(1), (INITIAL["a/kernel"], INITIAL["b/kernel"], [0.0]), strict=True)
    ):
        second = keras.ops.convert_to_numpy(gradient) + pulls[index] * (between[index] - np.array(anchor))
        momentum = keras.ops.convert_to_numpy(optimizer._momentums[index])
        np.testing.assert_allclose(momentum, 0.1 * second + 0.09 * first[index], rtol=1e-4)


def test_a_restart_resets_all_state():
    weights = variables()
    optimizer = blockwise(weights, pulls=(0.1, 0.1, 0.1))
    once = trained(optimizer, weights)
    for weight, value in zip(weights, INITIAL.values(), strict=True):
        weight.assign(np.float32(value))
    optimizer.multipliers.assign(np.zeros(3, "float32"))
    optimizer.restart(np.full(3, 0.1, "float32"), np.array([True, True, False]))
    again = trained(optimizer, weights)
    assert all(one.tobytes() == other.tobytes() for one, other in zip(once, again, strict=True))


def test_a_pull_needs_an_optimizer_with_anchors():
    weights = variables()
    with pytest.raises(ValueError, match="without pulls"):
        blockwise(weights).restart(np.ones(3, "float32"), np.ones(3, bool))
