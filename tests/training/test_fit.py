"""The fit loop: it learns, stops early with the weights of the best epoch, and repeats to the bit."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from sklearn.metrics import log_loss

from pipeline.arms.networks import HeadNetwork
from pipeline.store.errors import InputError
from pipeline.training.fit import Plan, check_finite, fit, learning_rates, probabilities
from pipeline.training.folds import Part

PLAN = Plan(
    learning_rate=0.1, epochs=8, patience=8, batch_size=8, schedule="constant", warmup=0.0, weight_decay=0.0, seed=3
)


def toy(noise=0.3, train=44, validation=20):
    """Two clouds in the plane; `noise` is the share of flipped training labels."""
    rng = np.random.default_rng(1)
    labels = np.arange(train + validation) % 2
    inputs = (rng.normal(size=(len(labels), 2)) + 4 * labels[:, None] - 2).astype("float32")
    noisy = np.where((rng.uniform(size=len(labels)) < noise) & (np.arange(len(labels)) < train), 1 - labels, labels)
    positions = np.arange(len(labels))
    parts = [Part(p, noisy[p].astype("int64"), np.ones(len(p))) for p in (positions[:train], positions[train:])]
    return lambda rows, which: inputs[rows], *parts


def model(dropout=0.0):
    keras.utils.clear_session()
    return HeadNetwork(features=2, classes=2).build(dropout, l2=0.0, seed=5).trained


def test_separable_clouds_are_learnt():
    load, train, validation = toy(noise=0)
    network = model()
    result = fit(network, load, train, validation, PLAN)
    assert result.history[result.kept_epoch]["val_balanced_accuracy"] == 1
    assert result.kept_loss < 0.1 < result.history[0]["val_loss"]
    assert (probabilities(network, load, train.positions).argmax(1) == train.labels).all()


def test_the_model_ends_with_the_weights_of_the_kept_epoch():
    load, train, validation = toy(noise=0.5)
    plan, network = replace(PLAN, learning_rate=0.5, epochs=30, patience=3), model()
    result = fit(network, load, train, validation, plan)
    losses = [row["val_loss"] for row in result.history]
    assert result.kept_epoch == 1 + int(np.argmin(losses[1:])) < result.epochs, "the toy no longer overfits"
    predicted = probabilities(network, load, validation.positions)
    assert log_loss(validation.labels, predicted) == result.kept_loss == min(losses[1:])


def test_the_last_epoch_is_kept_where_the_plan_says_so():
    load, train, validation = toy(noise=0.5)
    plan, network, kept = replace(PLAN, learning_rate=0.5, epochs=6, patience=9, keep="last"), model(), []
    result = fit(network, load, train, validation, plan, lambda row, keep: kept.append(keep))
    losses = [row["val_loss"] for row in result.history]
    assert (result.kept_epoch, result.kept_loss) == (6, losses[-1]), "and not the best one"
    assert min(losses) < losses[-1], "the toy no longer overfits"
    assert log_loss(validation.labels, probabilities(network, load, validation.positions)) == losses[-1]
    assert kept == [epoch in (0, 6) or loss == min(losses[1 : epoch + 1]) for epoch, loss in enumerate(losses)]


def test_a_network_before_training_is_never_chosen_over_a_trained_one():
    load, train, validation = toy(noise=0)
    wrong, flags = replace(train, labels=1 - train.labels), []  # what is learnt makes validation worse
    result = fit(model(), load, wrong, validation, PLAN, lambda row, kept: flags.append(kept))
    losses = [row["val_loss"] for row in result.history]
    assert losses[0] == min(losses), "the toy learns what is right"
    assert result.kept_loss == min(losses[1:])
    assert flags[:2] == [True, True], "epoch 0 is read, until there is a trained one"


def test_training_stops_after_patience_epochs_without_improvement():
    load, train, validation = toy(noise=0.5)
    result = fit(model(), load, train, validation, replace(PLAN, learning_rate=0.5, epochs=30, patience=3))
    assert result.stopped_improving
    assert result.epochs == result.kept_epoch + 3 < 30


def test_a_budget_that_ends_first_is_told():
    load, train, validation = toy(noise=0)
    result = fit(model(), load, train, validation, replace(PLAN, epochs=2))
    assert (result.epochs, result.kept_epoch, result.stopped_improving) == (2, 2, False)


def test_a_fit_tells_whether_it_was_at_rest_at_its_end():
    load, train, validation = toy(noise=0)
    resting = fit(model(), load, train, validation, replace(PLAN, learning_rate=1e-12))
    learning = fit(model(), load, train, validation, replace(PLAN, learning_rate=0.02))
    assert (resting.epochs, resting.stopped_improving) == (8, True)
    assert (learning.epochs, learning.stopped_improving) == (8, False)


def test_few_images_are_passed_over_until_an_epoch_has_its_steps():
    load, train, validation = toy()
    batches, plan = [], replace(PLAN, epochs=2, min_steps=12)
    result = fit(model(), load, train, validation, plan, on_images=batches.append)
    # three passes of 44 are 16 batches of 8, two are 11
    assert batches == [8] * 16 * 2
    assert [row["images_seen"] for row in result.history] == [0, 128, 256]


def test_a_compiled_network_is_used_again_as_if_new():
    load, train, validation = toy()
    fresh, used = model(), model()
    fit(used, load, train, validation, replace(PLAN, learning_rate=0.5, seed=9))
    used.set_weights(fresh.get_weights())
    histories = [fit(network, load, train, validation, PLAN).history for network in (fresh, used)]
    assert repr(histories[0]) == repr(histories[1])


def test_history_counts_epochs_images_and_best_ones():
    load, train, validation = toy()
    seen, batches = [], []
    result = fit(model(), load, train, validation, PLAN, lambda row, best: seen.append((row, best)), batches.append)
    assert [row["epoch"] for row in result.history] == list(range(9))
    assert [row["images_seen"] for row in result.history] == [40 * epoch for epoch in range(9)]  # 5 batches of 8 of 44
    assert batches == [8] * 5 * 8
    assert result.history[0]["loss"] is None and all(row["loss"] > 0 for row in result.history[1:])
    assert [row for row, _ in seen] == result.history
    best = np.inf
    for row, flag in seen:
        assert flag == (row["epoch"] <= 1 or row["val_loss"] < best)
        best = min(best, row["val_loss"]) if row["epoch"] > 1 else row["val_loss"]


def test_the_loss_of_an_epoch_is_its_own():
    """At rate 1e-12 nothing is learnt, so every epoch's loss is the mean over its batches at the initial weights."""
    load, train, validation = toy(noise=0)
    network = model()
    predicted = probabilities(network, load, train.positions)[np.arange(44), train.labels]
    result = fit(network, load, train, validation, replace(PLAN, learning_rate=1e-12, epochs=3, batch_size=44))
    losses = [row["loss"] for row in result.history[1:]]
    np.testing.assert_allclose(losses, -np.log(predicted).mean(), rtol=1e-5)


def test_losses_are_weighted():
    load, train, validation = toy(noise=0)
    rng, network = np.random.default_rng(0), model()
    train, validation = (Part(p.positions, p.labels, rng.uniform(0.1, 2, len(p.labels))) for p in (train, validation))
    before = [probabilities(network, load, part.positions) for part in (train, validation)]
    result = fit(network, load, train, validation, replace(PLAN, learning_rate=1e-12, epochs=1, batch_size=44))
    expected = (train.weights * -np.log(before[0][np.arange(44), train.labels])).mean()
    np.testing.assert_allclose(result.history[1]["loss"], expected, rtol=1e-5)
    expected = log_loss(validation.labels, before[1], sample_weight=validation.weights)
    np.testing.assert_allclose(result.history[0]["val_loss"], expected, rtol=1e-9)


@pytest.mark.parametrize("where", ["training", "validation"])
def test_a_loss_that_is_no_number_is_refused(where):
    load, train, validation = toy()
    bad = (train if where == "training" else validation).positions[0]

    def broken(rows, which):
        return np.where((rows == bad)[:, None], np.nan, load(rows, which)).astype("float32")

    with pytest.raises(InputError, match=f"^The {where} loss became nan .*no model was written"):
        fit(model(), broken, train, validation, replace(PLAN, batch_size=4))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"epoch": 3, "loss": 0.58, "val_loss": np.inf}, "^The validation loss became inf in epoch 3 at .*Lower"),
        ({"epoch": 3, "loss": np.nan, "val_loss": 0.58}, "^The training loss became nan in epoch 3 at .*Lower"),
        ({"epoch": 2, "loss": np.inf, "val_loss": np.nan}, "^The training loss became inf and the validation loss bec"),
        ({"epoch": 0, "loss": None, "val_loss": np.nan}, "^The validation loss became nan in epoch 0.*starts from"),
    ],
)
def test_the_loss_that_is_no_number_is_named(row, message):
    with pytest.raises(InputError, match=message) as caught:
        check_finite(row, 1e-3)
    assert "0.58" not in str(caught.value)


def test_same_seed_gives_the_same_bits_and_another_seed_others():
    def trained(seed):
        load, train, validation = toy()
        network = model(dropout=0.5)
        history = fit(network, load, train, validation, replace(PLAN, seed=seed, epochs=3)).history
        return repr(history), [weight.tobytes() for weight in network.get_weights()]

    first = trained(3)
    np.random.default_rng().random()
    np.random.random(7)  # global state must not matter
    assert trained(3) == first
    assert trained(4)[0] != first[0]


def test_views_are_drawn_for_training_and_never_for_validation():
    load, train, validation = toy()
    asked = {"train": set(), "validation": set()}

    def watched(rows, which):
        asked["train" if np.isin(rows, train.positions).all() else "validation"] |= set(which.tolist())
        return load(rows, which)

    fit(model(), watched, train, validation, replace(PLAN, views=4))
    assert asked == {"train": {0, 1, 2, 3}, "validation": {0}}


def test_every_epoch_has_an_order_of_its_own():
    load, train, validation = toy()
    orders = []

    def watched(rows, which):
        if np.isin(rows, train.positions).all():
            orders.append(tuple(rows))
        return load(rows, which)

    fit(model(), watched, train, validation, replace(PLAN, epochs=3, batch_size=44))
    assert len(set(orders)) == 3
    assert all(sorted(order) == sorted(train.positions) for order in orders)


# ---- learning rates --------------------------------------------------------------------------------------------------


def rates(steps=20, **changes):
    """The learning rate at every step of 4 epochs of 5 steps."""
    return learning_rates(replace(PLAN, epochs=4, **changes), steps // 4)


def test_constant():
    np.testing.assert_allclose(rates(), 0.1)


def test_constant_after_a_linear_warmup():
    expected = np.minimum(np.arange(20) / 4, 1) * 0.1  # 0.2 of 20 steps
    np.testing.assert_allclose(rates(warmup=0.2), expected, atol=1e-8)


def test_half_a_cosine_down_to_0():
    expected = 0.1 * (1 + np.cos(np.pi * np.arange(20) / 20)) / 2
    np.testing.assert_allclose(rates(schedule="cosine"), expected, atol=1e-8)


def test_cosine_after_a_linear_warmup():
    step = np.arange(20)
    expected = 0.1 * np.where(step < 4, step / 4, (1 + np.cos(np.pi * (step - 4) / 16)) / 2)
    np.testing.assert_allclose(rates(schedule="cosine", warmup=0.2), expected, atol=1e-8)


def test_warmup_of_the_whole_run():
    np.testing.assert_allclose(rates(schedule="cosine", warmup=1.0), 0.1 * np.arange(20) / 20, atol=1e-8)
