"""Networks as functions of batches, in inference; of those that are trained no more the weights are constants.

With constants TensorFlow folds batch normalization into the convolutions before it, and oneDNN reorders their filters
once instead of in every batch. With a thread a core on two cores that is 1.6 times Keras' `predict`, and large jobs are
1.4 times as fast again by OpenVINO, where it is installed (benchmarks/extraction.md). Features differ by rounding, up
to 5e-6 of the largest.
"""

import functools
from collections.abc import Callable
from typing import Any

import joblib
import keras
import numpy as np

from pipeline.networks.by_openvino import by_openvino, openvino_version
from pipeline.networks.device import device_name
from pipeline.networks.flops import forward_flops

Predictor = Callable[[np.ndarray], np.ndarray]
MOST_MODELS = 8  # whose compiled functions are kept, as many as training/compile_cache.py keeps networks
# FLOPs of a job, for each core, from which OpenVINO is worth its second of conversion: about 5 s of each core
LARGE = 3e11


def predictor(model: keras.Model, inputs: int = 0) -> Predictor:
    """The function (inputs (n, ...)) -> outputs (n, ...) of a network of one output as it is now, in inference.

    It can be called in several threads at once. Later changes of the weights do not reach it.

    Args:
        inputs: how many it will be called for in all, or fewer where that is not known.
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

    if device_name() == "cpu" and openvino_version() and _is_large(model, inputs):
        return by_openvino(call)
    return lambda inputs: np.asarray(call(tf.constant(inputs)))


def _is_large(model: keras.Model, inputs: int) -> bool:
    """Whether OpenVINO would be faster for so many inputs: it computes in 32 bits, and has to be made ready."""
    if not inputs or any(layer.compute_dtype != "float32" for layer in model.layers):
        return False
    try:
        return inputs * forward_flops(model) >= LARGE * joblib.cpu_count()
    except ValueError:  # a layer without a formula, in a network of the user's
        return False


def device_predictor(model: keras.Model) -> Callable[[Any], Any]:
    """The same function on JAX or PyTorch, compiled as a whole, with outputs that stay on the device.

    A caller can queue many batches before it reads the first. Keras' `predict_on_batch` waits for each, and on PyTorch
    runs every operation one by one.
    """
    state = [[keras.ops.copy(value) for value in values] for values in _state(model)]
    return functools.partial(compiled_forward(model), *state)


def present_predictor(model: keras.Model) -> Callable[[Any], Any]:
    """The function (inputs) -> outputs of a network in training, in inference with its present weights.

    Valid until the weights change. Where `predictor` runs compiled on an accelerator, so does this, compiled once for
    all states of the network, with outputs that stay on the device; elsewhere it is Keras' `predict_on_batch`.
    """
    if device_name() == "cpu" or keras.backend.backend() == "tensorflow":
        return model.predict_on_batch
    return functools.partial(_kept_forward(model), *_state(model))


def compiled_forward(model: keras.Model) -> Callable[[Any, Any, Any], Any]:
    """The function (trainable, other variables, inputs) -> outputs on JAX or PyTorch, compiled as a whole."""

    def forward(trainable: Any, others: Any, inputs: Any) -> Any:
        return model.stateless_call(trainable, others, inputs, training=False)[0]

    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(forward)
    import torch

    graphs: dict[tuple[int, ...], Callable[..., Any]] = {}  # by the shape of the inputs

    @torch.no_grad()
    def call(trainable: Any, others: Any, inputs: Any) -> Any:
        arguments = (trainable, others, keras.ops.convert_to_tensor(inputs))
        shape = tuple(inputs.shape)
        if shape not in graphs:
            graphs[shape] = torch_compiled(forward, *arguments)
        return graphs[shape](*arguments)

    return call


_kept_forward = functools.lru_cache(MOST_MODELS)(compiled_forward)


def _state(model: keras.Model) -> list[list[Any]]:
    return [
        [keras.ops.stop_gradient(variable.value) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]


def torch_compiled(function: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
    """A function of PyTorch tensors of these shapes as one graph of PyTorch's own operations, compiled on a GPU.

    TorchDynamo breaks Keras' layers into many graphs; `make_fx` records what they compute. On a CPU the graph is left
    as it is: to compile one takes minutes.
    """
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    graph: Callable[..., Any] = make_fx(function)(*arguments)
    return graph if device_name() == "cpu" else torch.compile(graph, dynamic=False)
