"""Networks that are trained no more, as functions of batches: their weights are constants.

With constants TensorFlow folds batch normalization into the convolutions before it, and oneDNN reorders their filters
once instead of in every batch: on 160 to 224 pixels 1.4 to 1.6 times Keras' `predict` (benchmarks/extraction.py).
Features differ by rounding, about 1e-6 of their scale.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from pipeline.networks.device import device_name

Predictor = Callable[[np.ndarray], np.ndarray]


def predictor(model: keras.Model) -> Predictor:
    """The function (inputs (n, ...)) -> outputs (n, ...) of a network of one output as it is now, in inference.

    It can be called in several threads at once. Later changes of the weights do not reach it.
    """
    if keras.backend.backend() != "tensorflow":
        if device_name() == "cpu":
            return lambda inputs: np.asarray(model.predict_on_batch(inputs))
        call_on_device = device_predictor(model)
        return lambda inputs: keras.ops.convert_to_numpy(call_on_device(inputs))
    import tensorflow as tf

    state = [
        [keras.ops.convert_to_numpy(variable) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    @tf.function(reduce_retracing=True)
    def call(inputs: Any) -> Any:
        constants = [[tf.constant(value) for value in values] for values in state]
        outputs, _ = model.stateless_call(*constants, inputs, training=False)
        return outputs

    return lambda inputs: np.asarray(call(tf.constant(inputs)))


def device_predictor(model: keras.Model) -> Callable[[Any], Any]:
    """The same function on JAX or PyTorch, compiled as a whole, with outputs that stay on the device.

    A caller can queue many batches before it reads the first. Keras' `predict_on_batch` waits for each, and on PyTorch
    runs every operation one by one.
    """
    state = [
        [keras.ops.copy(keras.ops.stop_gradient(variable.value)) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    def forward(trainable: Any, others: Any, inputs: Any) -> Any:
        return model.stateless_call(trainable, others, inputs, training=False)[0]

    if keras.backend.backend() == "jax":
        import jax

        compiled = jax.jit(forward)
        return lambda inputs: compiled(*state, inputs)
    return _torch_predictor(forward, state)


def _torch_predictor(forward: Callable[..., Any], state: list[Any]) -> Callable[[Any], Any]:
    import torch

    graphs: dict[tuple[int, ...], Callable[..., Any]] = {}  # by the shape of the inputs

    @torch.no_grad()
    def call(inputs: Any) -> Any:
        inputs = keras.ops.convert_to_tensor(inputs)
        shape = tuple(inputs.shape)
        if shape not in graphs:
            graphs[shape] = torch_compiled(forward, *state, inputs)
        return graphs[shape](*state, inputs)

    return call


def torch_compiled(function: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
    """A function of PyTorch tensors of these shapes as one graph of PyTorch's own operations, compiled on a GPU.

    TorchDynamo breaks Keras' layers into many graphs; `make_fx` records what they compute. On a CPU the graph is left
    as it is: to compile one takes minutes.
    """
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    graph: Callable[..., Any] = make_fx(function)(*arguments)
    return graph if device_name() == "cpu" else torch.compile(graph, dynamic=False)
