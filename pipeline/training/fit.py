"""The training loop of all arms: NumPy batches, a Keras model, early stopping on the validation part."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
from sklearn.metrics import balanced_accuracy_score, log_loss

from pipeline.store.errors import InputError
from pipeline.store.probabilities import normalised
from pipeline.store.seeds import seed_for
from pipeline.training.batches import Loader, draw_epoch, epoch_shape, predict_now
from pipeline.training.compiled_steps import epoch_trainer
from pipeline.training.early_stopping import EarlyStopping, stopped_improving
from pipeline.training.folds import Part
from pipeline.training.optimizer import BlockwiseAdamW
from pipeline.training.tuning import JOINT, TuningMethod


@dataclass(frozen=True)
class Plan:
    """Hyperparameters of a fit: see the sections head, tune and scratch of params.yaml for units and ranges."""

    learning_rate: float
    epochs: int
    patience: int
    batch_size: int
    schedule: str
    warmup: float
    weight_decay: float
    seed: int
    keep: Literal["best", "last"] = "best"
    views: int = 1
    min_steps: int = 1
    method: TuningMethod = JOINT


@dataclass(frozen=True)
class Fit:
    """The history of a fit; the model holds the weights of `kept_epoch`, whose validation loss is `kept_loss`.

    `history` has one row an epoch: epoch, images_seen, loss, val_loss, val_balanced_accuracy. Epoch 0 is the untrained
    network.
    """

    history: list[dict[str, Any]]
    kept_epoch: int
    kept_loss: float
    stopped_improving: bool

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
    depth: np.ndarray | None = None,
) -> Fit:
    """Train until the validation loss has not improved for `plan.patience` epochs, or `plan.epochs` have passed.

    The model ends with the weights of the epoch that early stopping keeps.

    Args:
        model: inputs to class probabilities; compiled here if it is not yet.
        load: gives inputs for positions and views.
        train: the training part, in a new order and under new views every epoch.
        validation: for early stopping, under the identity view.
        plan: the hyperparameters.
        on_epoch: called with the row of every epoch from 0 on, and whether its weights are the ones to keep so far.
        on_images: called after every batch with its size.
        depth: of every trainable variable below the head (see tuning.py), int (variables,); None: all 0.

    Raises:
        InputError: the training or the validation loss is nan or infinite.
    """
    if not model.compiled:
        compile_model(model, plan)
    depth = np.zeros(len(model.trainable_variables), "int64") if depth is None else depth
    optimizer = restarted_optimizer(model, plan, depth)
    shape = epoch_shape(len(train.positions), plan.batch_size, plan.min_steps)
    rates = learning_rates(plan, shape.steps).reshape(plan.epochs, shape.steps)
    train_epoch = epoch_trainer(model) or functools.partial(keras_epoch, model)
    stopping, history, kept_weights = EarlyStopping(plan.epochs, plan.patience, plan.keep), [], model.get_weights()
    for epoch in range(plan.epochs + 1):
        loss = None
        if epoch:
            optimizer.multipliers.assign(plan.method.multipliers(depth, epoch, plan.epochs))
            loss = train_epoch(batches_of(train, load, plan, epoch), rates[epoch - 1], on_images)
        row: dict[str, Any] = {"epoch": epoch, "images_seen": epoch * shape.steps * shape.size, "loss": loss}
        row |= _validate(model, load, validation)
        check_finite(row, plan.learning_rate)
        history.append(row)
        keep = stopping.update(row["val_loss"])
        if keep:
            kept_weights = model.get_weights()
        on_epoch(row, keep)
        if stopping.ended:
            break
    model.set_weights(kept_weights)
    kept_loss = stopping.losses[stopping.kept_epoch]
    return Fit(history, stopping.kept_epoch, kept_loss, stopped_improving(stopping.losses, plan.patience))


def compile_model(model: keras.Model, plan: Plan, loss: Any = "sparse_categorical_crossentropy") -> None:
    """Compile for a loss of Keras with AdamW; of the plan, weight decay and the method are compiled in."""
    decay = plan.weight_decay if plan.method.decays else 0.0
    optimizer = BlockwiseAdamW(plan.learning_rate, decay, pulled=plan.method.pull > 0)
    optimizer.build(model.trainable_variables)  # else TensorFlow traces the first step twice: 10 s for Lite0
    # XLA made training slower on CPUs; JAX always compiles
    model.compile(optimizer, loss, jit_compile=keras.backend.backend() == "jax")


def restarted_optimizer(model: keras.Model, plan: Plan, depth: np.ndarray) -> BlockwiseAdamW:
    """Reset the optimizer of a compiled model to its state before any step, anchored at the present weights."""
    optimizer = model.optimizer
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):  # Keras wraps it under mixed_float16
        if optimizer.built:
            optimizer.step_counter.assign(0)
            optimizer.dynamic_scale.assign(optimizer.initial_scale)
        optimizer = optimizer.inner_optimizer
    optimizer.restart(np.full(len(depth), plan.method.pull), depth > 0)
    return optimizer


def learning_rates(plan: Plan, steps_per_epoch: int) -> np.ndarray:
    """The learning rate of every step (steps,): a linear warm-up, then constant or a half cosine down to 0.

    Set before every step: Keras would compile a schedule into the step once for every variable that decays.
    """
    steps = plan.epochs * steps_per_epoch
    warmup = round(plan.warmup * steps)
    step = np.arange(steps)
    rise = np.ones(steps)
    rise[:warmup] = step[:warmup] / warmup
    progress = np.clip((step - warmup) / max(steps - warmup, 1), 0, 1)
    fall = (1 + np.cos(np.pi * progress)) / 2 if plan.schedule == "cosine" else np.ones(steps)
    return plan.learning_rate * rise * fall


def probabilities(model: keras.Model, load: Loader, positions: np.ndarray) -> np.ndarray:
    """Class probabilities (n, k) float64 under the identity view."""
    return normalised(predict_now(model, load, positions))


# inputs (on a device, see on_device.py, or NumPy), labels, weights (None: all 1)
Batch = tuple[Any, np.ndarray, np.ndarray | None]


def batches_of(train: Part, load: Loader, plan: Plan, epoch: int) -> Iterator[Batch]:
    """The batches of one epoch, determined by the plan's seed."""
    examples = len(train.positions)
    rng = np.random.default_rng(seed_for(plan.seed, "epoch", epoch))
    shape = epoch_shape(examples, plan.batch_size, plan.min_steps)
    for batch, which in zip(*draw_epoch(rng, examples, plan.views, shape), strict=True):
        yield load(train.positions[batch], which), train.labels[batch], train.weights[batch].astype("float32")


def keras_epoch(
    model: keras.Model, batches: Iterator[Batch], rates: np.ndarray, on_images: Callable[[int], object]
) -> float:
    """Train a compiled model on batches at the rate of each by Keras' own steps, and return the mean loss."""
    losses = []
    for (inputs, labels, weights), rate in zip(batches, rates, strict=True):
        model.optimizer.learning_rate = rate
        model.reset_metrics()  # else some backends return the mean over all batches so far
        loss = model.train_on_batch(inputs, labels, sample_weight=weights)
        losses.append(float(np.ravel(loss)[0]))
        on_images(len(labels))
    return float(np.mean(losses))


def check_finite(row: dict[str, Any], learning_rate: float, what: str = "the training loss") -> None:
    """Check the losses of an epoch's row: `loss`, here called `what`, and `val_loss`; an absent one or None passes.

    Raises:
        InputError: one is nan or infinite.
    """
    losses = {what: row.get("loss"), "the validation loss": row.get("val_loss")}
    found = [f"{name} became {loss}" for name, loss in losses.items() if loss is not None and not np.isfinite(loss)]
    if not found:
        return
    named = " and ".join(found)
    if row["epoch"] == 0:  # nothing was trained yet
        remedy = (
            "The network that training starts from gives no finite numbers: check its weights, or set another source"
        )
    else:
        remedy = f"Lower the learning rate, now {learning_rate:g}, or lengthen `warmup`"
    raise InputError(
        f"{named[0].upper()}{named[1:]} in epoch {row['epoch']} at learning rate {learning_rate:g}; "
        f"no model was written. {remedy}; with `run.precision` of 16 bits try float32."
    )


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
