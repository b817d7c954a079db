"""Twins of networks for training, whose layers compute what Keras' own do by faster kernels of TensorFlow.

Keras composes batch normalization in training from single operations, each of which reads and writes the whole
activation; TensorFlow's fused kernel does so twice. The gradient of depthwise filters is slow on small maps, and has a
faster form (depthwise.py). Results differ from Keras' by rounding.

A twin is trained and never saved: the network that it was made from gets its weights, and contains Keras' layers only.
"""

from typing import Any, Literal, Protocol

import keras

from pipeline.networks.depthwise import depthwise_convolution, has_faster_gradient
from pipeline.networks.device import device_name
from pipeline.networks.graph import flat_layers

Kernels = Literal["fused", "keras"]


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization of maps (n, h, w, c) float32 by TensorFlow's fused kernel; same weights and statistics."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise maps (n, h, w, c); in training by the batch, whose moments update the moving statistics."""
        import tensorflow as tf

        if mask is not None:
            return super().call(inputs, training=training, mask=mask)
        by_batch = bool(training and self.trainable)
        nothing = tf.zeros([0])
        result = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=nothing if by_batch else tf.convert_to_tensor(self.moving_mean),
            variance=nothing if by_batch else tf.convert_to_tensor(self.moving_variance),
            epsilon=self.epsilon,
            is_training=by_batch,
        )
        if by_batch:
            count = tf.cast(tf.size(inputs) // inputs.shape[-1], "float32")
            biased = result.batch_variance * ((count - 1) / count)  # Keras averages the biased variance
            self._move(self.moving_mean, result.batch_mean)
            self._move(self.moving_variance, biased)
        return result.y

    def _move(self, statistic: keras.Variable, value: Any) -> None:
        statistic.assign(statistic * self.momentum + value * (1 - self.momentum))

    @classmethod
    def serves(cls, layer: keras.layers.BatchNormalization) -> bool:
        """Whether this class computes what the layer does, and faster: a frozen layer's two operations are."""
        maps = len(layer.input.shape) == 4 and layer.axis in (-1, 3) and layer.trainable
        return maps and layer.scale and layer.center and not (layer.renorm or layer.synchronized)


class FusedDepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """A depthwise convolution with a faster gradient of its filters."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the filters (k, l, c, 1) for maps (n, h, w, c) of a fixed size."""
        super().build(input_shape)
        self.convolve = depthwise_convolution(self.kernel_size)

    def call(self, inputs: Any) -> Any:
        """Convolve maps (n, h, w, c)."""
        import tensorflow as tf

        return self.convolve(inputs, tf.convert_to_tensor(self.kernel))

    @classmethod
    def serves(cls, layer: keras.layers.DepthwiseConv2D) -> bool:
        """Whether this class computes what the layer does, and faster."""
        plain = layer.padding == "same" and not layer.use_bias and layer.depth_multiplier == 1
        plain &= layer.activation is keras.activations.linear and layer.dilation_rate == (1, 1)
        plain &= layer.data_format == "channels_last" and layer.strides[0] == layer.strides[1]
        size = layer.input.shape[1:3]
        return plain and layer.trainable and has_faster_gradient(size, layer.kernel_size, layer.strides[0])


class _Fused(Protocol):
    @classmethod
    def serves(cls, layer: Any) -> bool: ...

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> keras.Layer: ...


# by the exact class: a subclass may compute something else
FUSED: dict[type[keras.Layer], type[_Fused]] = {
    keras.layers.BatchNormalization: FusedBatchNormalization,
    keras.layers.DepthwiseConv2D: FusedDepthwiseConv2D,
}


def training_twin(model: keras.Model, kernels: Kernels) -> keras.Model:
    """A network of the same graph, variables and `trainable` flags with its own state, for training.

    Args:
        model: Functional; unchanged.
        kernels: "keras" for Keras' layers only; so is "fused" on another backend than TensorFlow, on a GPU, and for
            layers in another precision than float32.
    """
    fuse = kernels == "fused" and keras.backend.backend() == "tensorflow" and device_name() == "cpu"
    twin = keras.models.clone_model(model, clone_function=_fused if fuse else _plain, recursive=True)
    for own, copied in zip(flat_layers(model), flat_layers(twin), strict=True):
        copied.trainable = own.trainable
    if [v.shape for v in twin.trainable_variables] != [v.shape for v in model.trainable_variables]:
        raise RuntimeError(f"the copy of {model.name} for training has other trainable weights than the network")
    return twin


def copy_state(source: keras.Model, target: keras.Model) -> None:
    """Copy weights and dropout seeds between networks of equal structure, such as a network and its twin."""
    for value, variable in zip(_state(source), _state(target), strict=True):
        variable.assign(value)
    for layer in flat_layers(target):
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.finalize_state()  # it applies numbers that it has worked out from its weights


def _plain(layer: keras.Layer) -> keras.Layer:
    return layer.__class__.from_config(layer.get_config())


def _fused(layer: keras.Layer) -> keras.Layer:
    kind = FUSED.get(type(layer))
    if kind is None or layer.compute_dtype != "float32" or not kind.serves(layer):
        return _plain(layer)
    return kind.from_config(layer.get_config())


def _state(model: keras.Model) -> list[keras.Variable]:
    return model.weights + [v for v in model.variables if v.name == "seed_generator_state"]
