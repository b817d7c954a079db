"""The training loop of two-view pretraining (SimCLR, VICReg): one loss on the projections of a whole batch."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from pipeline.networks.flops import spending
from pipeline.networks.fused import copy_state, training_twin
from pipeline.networks.trainable import check_trainable
from pipeline.pretraining.settings import TwoViews
from pipeline.pretraining.task import PretrainResult, Task, prepare
from pipeline.pretraining.views import random_views
from pipeline.store.errors import InputError
from pipeline.store.files import read_npy
from pipeline.store.progress import progress
from pipeline.store.seeds import seed_for
from pipeline.training.batches import draw_epoch, epoch_shape
from pipeline.training.fit import check_finite, learning_rates

# projections (2 n, d), rows i and n + i being views of one image, -> scalar loss
PairLoss = Callable[[Any], Any]


def learn_from_views(task: Task, settings: TwoViews, hidden_layers: int, loss: PairLoss) -> PretrainResult:
    """Train the backbone with a projection head, which is then discarded; no early stopping.

    Raises:
        InputError: fewer than two images, or the loss became nan or infinite.
    """
    prepare(task.backbone, settings.batch_norm_momentum)
    model = with_projection(task.backbone, settings.projection, hidden_layers)
    check_trainable(model)
    stored = read_npy(task.images)
    shape = epoch_shape(len(task.rows), settings.batch_size)
    if shape.size < 2:
        raise InputError(f"'{task.name}' has one image to learn from; pairs need at least two. Widen its `where`.")
    twin = training_twin(model, task.kernels)
    compile_pairs(twin, loss, settings)
    rates = learning_rates(task.plan(), shape.steps).reshape(settings.epochs, shape.steps)
    spent, no_labels = spending(model), np.zeros((2 * shape.size, 1), "float32")  # Keras needs labels
    history: list[dict[str, Any]] = []
    with progress(total=rates.size * shape.size, label=task.name, unit="image") as bar:
        for epoch in range(1, settings.epochs + 1):
            rng = np.random.default_rng(seed_for(task.seed, "epoch", epoch))
            batches, _ = draw_epoch(rng, len(task.rows), 1, shape)
            losses = []
            for batch, rate in zip(batches, rates[epoch - 1], strict=True):
                twin.optimizer.learning_rate = rate
                twin.reset_metrics()  # else some backends return the mean over all batches so far
                pairs = two_views(np.asarray(stored[task.rows[batch]]), settings, task.augmentation, rng)
                losses.append(float(np.ravel(twin.train_on_batch(pairs, no_labels))[0]))
                bar.update(shape.size)
            seen = 2 * epoch * shape.steps * shape.size
            row = {"epoch": epoch, "images_seen": seen, **spent(seen, 0), "loss": float(np.mean(losses))}
            check_finite(row, settings.learning_rate, f"the loss of '{task.name}'")
            history.append(row)
    copy_state(twin, model)
    return PretrainResult(history)


def with_projection(backbone: keras.Model, width: int, hidden_layers: int) -> keras.Model:
    """Add pooling and a projection head to (n, width): hidden layers with batch norm and ReLU, then a linear layer."""
    x = layers.GlobalAveragePooling2D(name="pool", dtype="float32")(backbone.output)
    for number in range(1, hidden_layers + 1):
        x = layers.Dense(width, use_bias=False, name=f"hidden{number}")(x)
        x = layers.BatchNormalization(name=f"hidden{number}_bn")(x)
        x = layers.ReLU(name=f"hidden{number}_relu")(x)
    x = layers.Dense(width, use_bias=False, dtype="float32", name="projection")(x)
    return keras.Model(backbone.input, x, name="projector")


def two_views(images: np.ndarray, settings: TwoViews, augmentation: str, rng: np.random.Generator) -> np.ndarray:
    """Two random views of each image (n, s, s, c): (2 n, s, s, 3), rows i and n + i being of one image."""
    pair = [random_views(images, settings.smallest_crop, augmentation, settings.brightness, rng) for _ in range(2)]
    return np.concatenate(pair)


def compile_pairs(model: keras.Model, loss: PairLoss, settings: TwoViews) -> None:
    """Compile with AdamW as `training.fit` does, and a loss on the whole batch of projections."""
    optimizer = keras.optimizers.AdamW(settings.learning_rate, weight_decay=settings.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(model.trainable_variables)  # else TensorFlow traces the first step twice

    def batch_loss(_no_labels: Any, projections: Any) -> Any:
        return loss(projections)

    model.compile(optimizer, batch_loss, jit_compile=keras.backend.backend() == "jax")
