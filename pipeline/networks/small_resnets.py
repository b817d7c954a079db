"""Small residual networks of He et al. (CVPR 2016) that train from scratch on a CPU: blocks of two 3x3 convolutions.

- `cifar_resnet8`, `cifar_resnet14`: the networks for CIFAR (section 4.2), three stages of 16, 32, 64 filters. With b
  blocks a stage the network is ResNet-(6 b + 2); ResNet-8 is also in MLPerf Tiny.
- `resnet10_small`: the layout of the networks for ImageNet (section 4.1: a pooling after the stem, four stages), with
  one block a stage, as in ResNet-10, and fewer filters: 32, 64, 128, 128. It reduces images by 32, where the others
  reduce them by 8: so larger images stay affordable, and an output sees all of them.
"""

from functools import partial
from typing import Any

import keras
from keras import layers

from pipeline.networks.applications import IMAGENET_DEVIATION, IMAGENET_MEAN

CIFAR_FILTERS = (16, 32, 64)  # of the three stages
SMALL_FILTERS = (32, 64, 128, 128)  # of the four; 512 in the last, as in the paper, would be 8 of 9 parameters
# The paper's 32 pixels keep their size through the stem. Images here are larger and halve it there, as the paper's
# ImageNet networks do: at 80 pixels two CPU cores train ResNet-8 on 520 images/s with stride 2, on 127 with stride 1.
STEM_STRIDE = 2


def cifar_resnet(image_size: int, blocks: int) -> keras.Model:
    """Build the backbone with random weights.

    Args:
        image_size: s, in pixels.
        blocks: residual blocks in each of the three stages.

    Returns:
        Pixels float32 (n, s, s, 3) of 0..255 to a feature map (n, s/8, s/8, 64).
    """
    return _resnet(image_size, f"cifar_resnet{6 * blocks + 2}", CIFAR_FILTERS, blocks, pool=False)


cifar_resnet8 = partial(cifar_resnet, blocks=1)
cifar_resnet14 = partial(cifar_resnet, blocks=2)


def resnet10_small(image_size: int) -> keras.Model:
    """Build the backbone with random weights.

    The stem is a 3x3 convolution, not the paper's 7x7, which costs more than the first stage.

    Args:
        image_size: s, in pixels.

    Returns:
        Pixels float32 (n, s, s, 3) of 0..255 to a feature map (n, s/32, s/32, 128).
    """
    return _resnet(image_size, "resnet10_small", SMALL_FILTERS, blocks=1, pool=True)


def _resnet(image_size: int, name: str, filters: tuple[int, ...], blocks: int, pool: bool) -> keras.Model:
    """A stem of stride 2, a pooling of stride 2 where `pool` is set, then stages that halve the size but for the first.

    Initialisation: He et al. (ICCV 2015). Shortcuts that change shape are strided 1x1 convolutions with batch
    normalisation (option B of CVPR 2016).
    """
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    scale = [1 / (255 * deviation) for deviation in IMAGENET_DEVIATION]
    offset = [-mean / deviation for mean, deviation in zip(IMAGENET_MEAN, IMAGENET_DEVIATION, strict=True)]
    x = layers.Rescaling(scale, offset=offset, name="preprocess")(pixels)
    x = _convolution(x, filters[0], 3, STEM_STRIDE, "stem")
    x = layers.ReLU(name="stem_relu")(x)
    if pool:
        x = layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(x)
    for stage, width in enumerate(filters, start=1):
        for block in range(blocks):
            stride = 2 if stage > 1 and block == 0 else 1
            x = _residual(x, width, stride, f"block{stage}{chr(ord('a') + block)}")
    return keras.Model(pixels, x, name=name)


def _residual(x: Any, filters: int, stride: int, name: str) -> Any:
    shortcut = x
    if stride > 1 or x.shape[-1] != filters:
        shortcut = _convolution(x, filters, 1, stride, f"{name}_shortcut")
    x = layers.ReLU(name=f"{name}_1_relu")(_convolution(x, filters, 3, stride, f"{name}_1"))
    x = _convolution(x, filters, 3, 1, f"{name}_2")
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([shortcut, x]))


def _convolution(x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
    options = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"}
    x = layers.Conv2D(filters, kernel, strides=stride, name=f"{name}_conv", **options)(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)
