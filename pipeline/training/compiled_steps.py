"""Training steps compiled as a whole, for accelerators: JAX and PyTorch, where Keras' own steps keep a card waiting.

Between two steps Keras reads the loss, which waits for the card, and copies hundreds of variables (JAX) or runs every
operation one by one (PyTorch). Here a step is one compiled function, the losses of an epoch are read at its end, and
the host only queues work. The mathematics is that of the model's `train_on_batch`.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from pipeline.networks.device import device_name
from pipeline.networks.inference import MOST_MODELS, torch_compiled

Loss = Callable[[Any, Any, Any], Any]  # labels (n,), outputs of the model, weights (n,) -> scalar


def cross_entropy(labels: Any, predicted: Any, weights: Any) -> Any:
    """The weighted loss of a classifier as Keras takes it, of class probabilities (n, k)."""
    return ops.mean(keras.losses.sparse_categorical_crossentropy(labels, predicted) * weights)


def epoch_trainer(model: keras.Model, loss: Loss = cross_entropy) -> Callable[..., float] | None:
    """The function (batches, rates, on_images) -> mean loss that trains one epoch of a compiled model.

    `loss` is to be the one it was compiled with.

    None where Keras' `train_on_batch` serves: on a CPU, on TensorFlow, whose steps are graphs, and with loss scaling.
    """
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    if device_name() == "cpu" or scaled or keras.backend.backend() == "tensorflow":
        return None
    return functools.partial(train_epoch, steps_of(model, loss))


def train_epoch(
    steps: "Steps", batches: Iterable[tuple[Any, Any, Any]], rates: np.ndarray, on_images: Callable[[int], object]
) -> float:
    """Train on batches (inputs, labels, weights) at the rate of each, and return the mean loss; weights None are 1."""
    losses = []
    steps.begin()
    for (inputs, labels, weights), rate in zip(batches, rates, strict=True):
        weights = np.ones(len(labels), "float32") if weights is None else weights
        losses.append(steps.step(inputs, labels.astype("int32"), weights, np.float32(rate)))
        on_images(len(labels))
    steps.end()
    return float(np.mean([float(loss) for loss in losses]))


class Steps:
    """The steps of one epoch: `begin`, `step` for every batch, `end`; then the model holds what was learnt."""

    def __init__(self, model: keras.Model, loss: Loss) -> None:
        self.model, self.loss = model, loss

    def begin(self) -> None:
        """Take the model's present state."""

    def step(self, inputs: Any, labels: np.ndarray, weights: np.ndarray, rate: np.float32) -> Any:
        """Queue one step and return its loss, a scalar on the device."""
        raise NotImplementedError

    def end(self) -> None:
        """Give the model its new state."""

    def forward(self, trainable: Any, others: Any, inputs: Any, labels: Any, weights: Any) -> tuple[Any, Any]:
        """The loss, penalties included, and the other variables after the forward pass."""
        predicted, others, penalties = self.model.stateless_call(
            trainable, others, inputs, training=True, return_losses=True
        )
        return self.loss(labels, predicted, weights) + sum(penalties), others


class JaxSteps(Steps):
    """A jitted step from state to state."""

    def __init__(self, model: keras.Model, loss: Loss) -> None:
        import jax

        super().__init__(model, loss)
        optimizer = model.optimizer
        place = [variable.name for variable in optimizer.variables].index("learning_rate")

        @jax.jit
        def update(state: Any, inputs: Any, labels: Any, weights: Any, rate: Any) -> tuple[Any, Any]:
            trainable, others, optimized = state
            (loss, others), gradients = jax.value_and_grad(self.forward, has_aux=True)(
                trainable, others, inputs, labels, weights
            )
            optimized = [*optimized[:place], rate, *optimized[place + 1 :]]
            trainable, optimized = optimizer.stateless_apply(optimized, gradients, trainable)
            return (list(trainable), list(others), list(optimized)), loss

        self.update = update

    def _variables(self) -> list[list[keras.Variable]]:
        model = self.model
        return [model.trainable_variables, model.non_trainable_variables, model.optimizer.variables]

    def begin(self) -> None:
        self.state: Any = tuple([variable.value for variable in group] for group in self._variables())

    def step(self, inputs: Any, labels: np.ndarray, weights: np.ndarray, rate: np.float32) -> Any:
        self.state, loss = self.update(self.state, inputs, labels, weights, rate)
        return loss

    def end(self) -> None:
        for group, values in zip(self._variables(), self.state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)


class TorchSteps(Steps):
    """Loss and gradients as one compiled graph (see `torch_compiled`), then the optimizer by list operations."""

    def __init__(self, model: keras.Model, loss: Loss) -> None:
        super().__init__(model, loss)
        self.graphs: dict[tuple[int, ...], Callable[..., Any]] = {}  # by the shape of the inputs

    def begin(self) -> None:
        self.trainable, self.others = (
            [variable.value.detach() for variable in variables]
            for variables in (self.model.trainable_variables, self.model.non_trainable_variables)
        )
        self.update = self.model.optimizer.torch_updates()

    def step(self, inputs: Any, labels: np.ndarray, weights: np.ndarray, rate: np.float32) -> Any:
        import torch

        arguments = (self.trainable, self.others, *map(ops.convert_to_tensor, (inputs, labels, weights)))
        shape = tuple(inputs.shape)
        if shape not in self.graphs:
            self._gradients(*arguments)  # once as it is: Keras sets up on a first call
            self.graphs[shape] = torch_compiled(self._gradients, *arguments)
        loss, gradients, others = self.graphs[shape](*arguments)
        if others:
            torch._foreach_copy_(self.others, list(others))
        self.update(list(gradients), float(rate))
        self.rate = rate
        return loss

    def end(self) -> None:
        self.model.optimizer.learning_rate = self.rate

    def _gradients(self, trainable: Any, others: Any, *batch: Any) -> tuple[Any, Any, Any]:
        import torch

        trainable = [value.detach().requires_grad_() for value in trainable]
        loss, others = self.forward(trainable, others, *batch)
        return loss.detach(), torch.autograd.grad(loss, trainable), [value.detach() for value in others]


STEPS: dict[str, type[Steps]] = {"jax": JaxSteps, "torch": TorchSteps}


@functools.lru_cache(MOST_MODELS)
def steps_of(model: keras.Model, loss: Loss = cross_entropy) -> Steps:
    """The compiled steps of a compiled model on this backend."""
    return STEPS[keras.backend.backend()](model, loss)
