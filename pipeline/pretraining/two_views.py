"""The training loop of two-view pretraining (SimCLR, VICReg): one loss on the projections of a whole batch."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from pipeline.networks.flops import spending
from pipeline.networks.fused import copy_state, training_twin
from pipeline.networks.trainable import check_trainable
from pipeline.pretraining.pairs import pair_loader
from pipeline.pretraining.settings import TwoViews
from pipeline.pretraining.task import PretrainResult, Task, prepare
from pipeline.store.errors import InputError
from pipeline.store.progress import progress
from pipeline.store.seeds import seed_for
from pipeline.training.batches import draw_epoch, epoch_shape
from pipeline.training.compiled_steps import epoch_trainer
from pipeline.training.fit import check_finite, compile_model, keras_epoch, learning_rates, restarted_optimizer

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
    shape = epoch_shape(len(task.rows), settings.batch_size)
    if shape.size < 2:
        raise InputError(f"'{task.name}' has one image to learn from; pairs need at least two. Widen its `where`.")
    twin, plan = training_twin(model, task.kernels), task.plan()
    compile_model(twin, plan, loss=lambda _labels, projections: loss(projections))
    restarted_optimizer(twin, plan, np.zeros(len(twin.trainable_variables), "int64"))
    compiled = epoch_trainer(twin, lambda _labels, projections, _weights: loss(projections))
    train_epoch = compiled or functools.partial(keras_epoch, twin)
    load = pair_loader(task.images, task.rows, settings, task.augmentation)
    rates = learning_rates(plan, shape.steps).reshape(settings.epochs, shape.steps)
    spent, no_labels = spending(model), np.zeros((shape.size, 1), "float32")  # Keras needs labels
    history: list[dict[str, Any]] = []
    with progress(total=rates.size * shape.size, label=task.name, unit="image") as bar:
        for epoch in range(1, settings.epochs + 1):
            rng = np.random.default_rng(seed_for(task.seed, "epoch", epoch))
            batches, _ = draw_epoch(rng, len(task.rows), 1, shape)
            pairs = ((load(batch, rng), no_labels, None) for batch in batches)
            mean = train_epoch(pairs, rates[epoch - 1], bar.update)
            seen = 2 * epoch * shape.steps * shape.size
            row = {"epoch": epoch, "images_seen": seen, **spent(seen, 0), "loss": mean}
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
