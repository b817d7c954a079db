"""The gradient of depthwise filters as a depthwise convolution, for TensorFlow on a CPU.

oneDNN has no kernel for this gradient; its fallback does a multiple of the work on small maps. But the gradient is
itself a depthwise convolution, over the images as further channels: tap (i, j) of channel c sums over images and places
the input at (y + i, x + j) times the output's gradient at (y, x). So the input, with (image, channel) pairs as its
channels, is convolved by the output's gradient as its filters, and the result is summed over images.
"""

from collections.abc import Callable
from typing import Any

LARGEST = 10  # pixels a side, up to which it is faster than TensorFlow's own gradient (benchmarks/engine.md)


def has_faster_gradient(size: tuple[int | None, ...], kernel: tuple[int, ...], stride: int) -> bool:
    """Whether the filter gradient is faster here, on maps of this size (h, w)."""
    return stride == 1 and min(kernel) > 3 and all(side is not None and side <= LARGEST for side in size)


def depthwise_convolution(kernel: tuple[int, int]) -> Callable[[Any, Any], Any]:
    """A function (maps float32 (n, h, w, c), filters (k, l, c, 1)) -> maps (n, h, w, c), padded as "same".

    TensorFlow's own convolution at stride 1, with a faster gradient of the filters.

    Args:
        kernel: k, l.
    """
    import tensorflow as tf

    strides = [1, 1, 1, 1]
    padding = [pad for side in kernel for pad in ((side - 1) // 2, side // 2)]

    def filter_gradient(maps: Any, change: Any) -> Any:
        height, width, channels = maps.shape[1:]
        inputs, filters = (tf.transpose(part, (1, 2, 0, 3)) for part in (maps, change))  # (h, w, n, c)
        summands = tf.raw_ops.DepthwiseConv2dNative(
            input=tf.reshape(inputs, (1, height, width, -1)),
            filter=tf.reshape(filters, (height, width, -1, 1)),
            strides=strides,
            padding="EXPLICIT",
            explicit_paddings=[0, 0, *padding, 0, 0],
        )
        return tf.reduce_sum(tf.reshape(summands, (*kernel, -1, channels)), axis=2)[..., None]

    @tf.custom_gradient
    def convolve(maps: Any, filters: Any) -> Any:
        def gradient(change: Any) -> Any:
            back = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(maps), filter=filters, out_backprop=change, strides=strides, padding="SAME"
            )
            return back, filter_gradient(maps, change)

        return tf.nn.depthwise_conv2d(maps, filters, strides, "SAME"), gradient

    return convolve
