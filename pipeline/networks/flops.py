"""Count the floating-point operations (FLOPs) of a model for one image, layer by layer, from formulas.

A multiply-accumulate (MAC) counts 2. FLOPs of each layer for one image:

- convolutions and Dense: 2 for every kernel weight at every position where it is applied, plus 1 per output element
  for a bias and 1 for a fused activation;
- BatchNormalization, Rescaling, Normalization: 2 per element (scale and shift, without the batch statistics);
  LayerNormalization and GroupNormalization: 7 per element;
- pooling: the size of the window per output element; global pooling: 1 per input element;
- Add, Multiply and other merges: inputs - 1 per output element;
- layers that only move or drop values: 0;
- any other layer or function without weights (activations): 1 per output element. Any other with weights is an error,
  since a guess would be a wrong figure in a report.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import layers

from pipeline.networks.graph import Step, steps

GIGA = 1e9
LAYER_SCALE = "LayerScale"  # the class of ConvNeXt's scaling layer, which Keras does not export
Formula = Callable[[Any, list[int], list[int]], int]  # layer, elements of each input, elements of each output


def forward_flops(model: keras.Model) -> int:
    """FLOPs of one forward pass for one image; the module's docstring says what counts."""
    return sum(per_layer(model).values())


def per_layer(model: keras.Model) -> dict[str, int]:
    """FLOPs of one forward pass for one image by layer; layers of a nested model are "model/layer".

    Raises:
        ValueError: a layer with weights that has no formula here, or a model without a fixed input size.
    """
    counts: Counter[str] = Counter()
    for step in steps(model):
        for name, flops in _of_step(step):
            counts[name] += flops
    return dict(counts)


def training_flops(model: keras.Model) -> int:
    """FLOPs of one training step for one image: forward and backward, without the optimizer's update."""
    return forward_flops(model) + backward_flops(model)


def backward_flops(model: keras.Model) -> int:
    """FLOPs of the backward pass for one image, without the optimizer's update.

    Each layer costs its forward FLOPs once for the gradient of its inputs, if a trainable weight precedes it, and once
    for the gradient of its weights, if it has trainable ones.
    """
    total = 0
    reached: set[int] = set()  # tensors that depend on a trainable weight
    for step in steps(model):
        trainable = bool(getattr(step.operation, "trainable_weights", ()))
        depends = any(id(tensor) in reached for tensor in step.inputs)
        if isinstance(step.operation, keras.Model) and not depends:
            total += backward_flops(step.operation)
        else:
            total += sum(flops for _, flops in _of_step(step)) * (depends + trainable)
        if depends or trainable:
            reached.update(id(tensor) for tensor in step.outputs)
    return total


def spending(model: keras.Model) -> Callable[[int, int], dict[str, float]]:
    """A function (images trained on, images predicted) -> `gflops`, and its part `backward_gflops`."""
    forward, backward, step = (flops(model) / GIGA for flops in (forward_flops, backward_flops, training_flops))
    return lambda trained, predicted: {
        "gflops": trained * step + predicted * forward,
        "backward_gflops": trained * backward,
    }


def forward_and_backward(gflops: float, backward: float) -> dict[str, float]:
    """Split a sum of GFLOPs into its forward and backward parts."""
    return {"gflops": gflops, "forward_gflops": gflops - backward, "backward_gflops": backward}


def _of_step(step: Step) -> Iterator[tuple[str, int]]:
    operation = step.operation
    if isinstance(operation, keras.Model):
        for name, flops in per_layer(operation).items():
            yield f"{operation.name}/{name}", flops
        return
    inputs, outputs = ([_elements(tensor, step.name) for tensor in tensors] for tensors in (step.inputs, step.outputs))
    yield step.name, _formula(operation)(operation, inputs, outputs)


def _elements(tensor: Any, name: str) -> int:
    if None in tensor.shape[1:]:
        raise ValueError(f"FLOPs need a fixed image size; a tensor of layer {name} has shape {tensor.shape}")
    return math.prod(tensor.shape[1:])


def _formula(operation: Any) -> Formula:
    if type(operation).__name__ == LAYER_SCALE:
        return _per_input(1)
    for kinds, formula in FORMULAS:
        if isinstance(operation, kinds):
            return formula
    if getattr(operation, "weights", ()):
        raise ValueError(f"No FLOPs formula for layer {operation.name} of type {type(operation).__name__}")
    return _elementwise


def _elementwise(_layer: Any, _inputs: list[int], outputs: list[int]) -> int:
    return sum(outputs)


def _per_input(count: int) -> Formula:
    return lambda _layer, inputs, _outputs: count * sum(inputs)


def _extras(layer: Any, outputs: int) -> int:
    """Bias and fused activation: 1 per output element each."""
    return outputs * (bool(layer.use_bias) + (layer.activation is not keras.activations.linear))


def _convolution(layer: Any, _inputs: list[int], outputs: list[int]) -> int:
    # kernel (*window, in / groups, out): each output element takes the kernel weights of its own filter once
    return 2 * math.prod(layer.kernel.shape[:-1]) * outputs[0] + _extras(layer, outputs[0])


def _transposed(layer: Any, inputs: list[int], outputs: list[int]) -> int:
    # kernel (*window, out, in): each input element meets the kernel weights of its own channel once
    return 2 * math.prod(layer.kernel.shape[:-1]) * inputs[0] + _extras(layer, outputs[0])


def _depthwise(layer: Any, _inputs: list[int], outputs: list[int]) -> int:
    return 2 * math.prod(layer.kernel_size) * outputs[0] + _extras(layer, outputs[0])


def _separable(layer: Any, _inputs: list[int], outputs: list[int]) -> int:
    between = layer.pointwise_kernel.shape[-2]  # channels between the depthwise and the pointwise half
    places = outputs[0] // layer.filters
    return 2 * places * between * (math.prod(layer.kernel_size) + layer.filters) + _extras(layer, outputs[0])


def _merge(_layer: Any, inputs: list[int], outputs: list[int]) -> int:
    return (len(inputs) - 1) * outputs[0]


def _pooling(layer: Any, _inputs: list[int], outputs: list[int]) -> int:
    return math.prod(layer.pool_size) * outputs[0]


def _kinds(*names: str, ranks: tuple[str, ...] = ("1D", "2D", "3D")) -> tuple[type, ...]:
    return tuple(getattr(layers, name + rank) for name in names for rank in ranks)


_MOVES = (layers.InputLayer, layers.Flatten, layers.Reshape, layers.Permute, layers.Concatenate, layers.Dropout)
_MERGES = (layers.Add, layers.Multiply, layers.Subtract, layers.Average, layers.Maximum, layers.Minimum)

# The first matching row applies. In Keras transposed, depthwise and separable convolutions do not subclass Conv.
FORMULAS: tuple[tuple[tuple[type, ...], Formula], ...] = (
    (_kinds("DepthwiseConv", ranks=("1D", "2D")), _depthwise),
    (_kinds("SeparableConv", ranks=("1D", "2D")), _separable),
    (_kinds("Conv", ranks=("1DTranspose", "2DTranspose", "3DTranspose")), _transposed),
    ((*_kinds("Conv"), layers.Dense), _convolution),
    ((layers.BatchNormalization, layers.Rescaling, layers.Normalization), _per_input(2)),
    ((layers.LayerNormalization, layers.GroupNormalization), _per_input(7)),
    (_kinds("GlobalAveragePooling", "GlobalMaxPooling"), _per_input(1)),
    (_kinds("AveragePooling", "MaxPooling"), _pooling),
    (_MERGES, _merge),
    ((*_MOVES, *_kinds("ZeroPadding"), *_kinds("Cropping"), *_kinds("UpSampling")), _per_input(0)),
)
