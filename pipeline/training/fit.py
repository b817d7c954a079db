"""The one fit loop of all arms: NumPy in, Keras inside, early stopping on the validation part."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from sklearn.metrics import balanced_accuracy_score, log_loss

from pipeline.frame.errors import InputError
from pipeline.frame.seeds import seed_for
from pipeline.training.batches import Loader, predict, training_batches
from pipeline.training.folds import Part


@dataclass(frozen=True)
class Plan:
    """How to fit: see the sections head, tune and scratch of params.yaml for units and ranges."""

    learning_rate: float
    epochs: int
    patience: int
    batch_size: int
    schedule: str
    warmup: float
    weight_decay: float
    seed: int
    views: int = 1


@dataclass
class Fit:
    """What a fit came to; the model holds the weights of `best_epoch`.

    `history` has one row an epoch: epoch, images_seen, loss, val_loss, val_balanced_accuracy. Epoch 0 is the network
    before training.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best_loss: float = np.inf
    stopped_improving: bool = False

    @property
    def epochs(self) -> int:
        return len(self.history) - 1


def fit(
    model: keras.Model,
    load: Loader,
    train: Part,
    validation: Part,
    plan: Plan,
    on_epoch: Callable[[dict[str, Any], bool], None] = lambda row, best: None,
    on_images: Callable[[int], object] = lambda count: None,
) -> Fit:
    """Train until the validation loss has not improved for `plan.patience` epochs, or `plan.epochs` have passed.

    Args:
        model: inputs to class probabilities; compiled here.
        load: gives inputs for positions and views.
        train: what the gradient sees, in a new order and under new views every epoch.
        validation: what early stopping sees, under the identity view.
        plan: the settings.
        on_epoch: called after every epoch (and before the first) with its row and whether it is the best so far.
        on_images: called after every batch with its size.

    Raises:
        InputError: the loss is nan or infinite.
    """
    steps, size = training_batches(train.positions, plan.batch_size).shape
    compile_model(model, plan)
    rates = learning_rates(plan, steps).reshape(plan.epochs, steps)
    result, best_weights = Fit(), model.get_weights()
    for epoch in range(plan.epochs + 1):
        loss = _train_epoch(model, load, train, plan, epoch, rates[epoch - 1], on_images) if epoch else None
        row = {"epoch": epoch, "images_seen": epoch * steps * size, "loss": loss}
        row |= _validate(model, load, validation)
        losses = [value for value in (loss, row["val_loss"]) if value is not None]
        if not np.isfinite(losses).all():
            raise InputError(
                f"The loss became {losses[0]} in epoch {epoch} at learning rate {plan.learning_rate:g}; "
                "no model was written. Lower the learning rate, or lengthen `warmup`."
            )
        result.history.append(row)
        if row["val_loss"] < result.best_loss:
            result.best_epoch, result.best_loss = epoch, row["val_loss"]
            best_weights = model.get_weights()
        on_epoch(row, result.best_epoch == epoch)
        result.stopped_improving = epoch - result.best_epoch >= plan.patience
        if result.stopped_improving:
            break
    model.set_weights(best_weights)
    return result


def compile_model(model: keras.Model, plan: Plan) -> None:
    """Compile for classification with AdamW (Loshchilov and Hutter, ICLR 2019); biases and norms do not decay."""
    optimizer = keras.optimizers.AdamW(plan.learning_rate, weight_decay=plan.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(model.trainable_variables)  # else TensorFlow traces the first step twice: 10 s for Lite0
    # XLA made training slower on CPUs; JAX compiles always
    model.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=keras.backend.backend() == "jax")


def learning_rates(plan: Plan, steps_per_epoch: int) -> np.ndarray:
    """The learning rate of every step (steps,): a linear warm-up, then constant or a half cosine down to 0.

    Set from outside, since Keras puts a schedule into the compiled step once for every variable that decays.
    """
    steps = plan.epochs * steps_per_epoch
    warmup = round(plan.warmup * steps)
    step = np.arange(steps)
    rise = np.minimum(step / max(warmup, 1), 1) if warmup else np.ones(steps)
    progress = np.clip((step - warmup) / max(steps - warmup, 1), 0, 1)
    fall = (1 + np.cos(np.pi * progress)) / 2 if plan.schedule == "cosine" else np.ones(steps)
    return plan.learning_rate * rise * fall


def probabilities(model: keras.Model, load: Loader, positions: np.ndarray) -> np.ndarray:
    """Class probabilities (n, k) float64 under the identity view; float32 sums to one only nearly, these do."""
    outputs = np.concatenate(list(predict(model, load, positions))).astype("float64")
    result: np.ndarray = outputs / outputs.sum(1, keepdims=True)
    return result


def _train_epoch(
    model: keras.Model,
    load: Loader,
    train: Part,
    plan: Plan,
    epoch: int,
    rates: np.ndarray,
    on_images: Callable[[int], object],
) -> float:
    rng = np.random.default_rng(seed_for(plan.seed, "epoch", epoch))
    batches = training_batches(rng.permutation(len(train.positions)), plan.batch_size)
    which = rng.integers(plan.views, size=len(train.positions))
    losses = []
    for batch, rate in zip(batches, rates, strict=True):
        model.optimizer.learning_rate = rate
        inputs = load(train.positions[batch], which[batch])
        model.reset_metrics()  # else some backends return the mean over all batches so far
        loss = model.train_on_batch(inputs, train.labels[batch], sample_weight=train.weights[batch].astype("float32"))
        losses.append(float(np.ravel(loss)[0]))
        on_images(len(batch))
    return float(np.mean(losses))


def _validate(model: keras.Model, load: Loader, validation: Part) -> dict[str, float]:
    predicted = probabilities(model, load, validation.positions)
    if not np.isfinite(predicted).all():
        return {"val_loss": np.nan, "val_balanced_accuracy": np.nan}
    classes = np.arange(predicted.shape[1])
    weights = validation.weights
    return {
        "val_loss": log_loss(validation.labels, predicted, sample_weight=weights, labels=classes),
        "val_balanced_accuracy": balanced_accuracy_score(validation.labels, predicted.argmax(1), sample_weight=weights),
    }
