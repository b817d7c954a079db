"""The small ResNets for CIFAR of He et al. (CVPR 2016, section 4.2): three stages of blocks of two 3x3 convolutions.

With b blocks a stage the network is ResNet-(6 b + 2): ResNet-8 (also in MLPerf Tiny), ResNet-14, ResNet-20. They train
from scratch in minutes on a CPU.
"""

from functools import partial
from typing import Any

import keras
from keras import layers

from pipeline.networks.applications import IMAGENET_DEVIATION, IMAGENET_MEAN

FILTERS = (16, 32, 64)  # of the three stages
# The paper's 32 pixels keep their size through the stem. Images here are larger and halve it there, as the paper's
# ImageNet networks do: at 80 pixels two CPU cores train ResNet-8 on 520 images/s with stride 2, on 127 with stride 1.
STEM_STRIDE = 2


def cifar_resnet(image_size: int, blocks: int) -> keras.Model:
    """Build the backbone with random weights (initialisation: He et al., ICCV 2015).

    Shortcuts that change shape are strided 1x1 convolutions with batch normalisation (the paper's option B).

    Args:
        image_size: s, in pixels.
        blocks: residual blocks in each of the three stages.

    Returns:
        Pixels float32 (n, s, s, 3) of 0..255 to a feature map (n, s/8, s/8, 64).
    """
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    scale = [1 / (255 * deviation) for deviation in IMAGENET_DEVIATION]
    offset = [-mean / deviation for mean, deviation in zip(IMAGENET_MEAN, IMAGENET_DEVIATION, strict=True)]
    x = layers.Rescaling(scale, offset=offset, name="preprocess")(pixels)
    x = _convolution(x, FILTERS[0], 3, STEM_STRIDE, "stem")
    x = layers.ReLU(name="stem_relu")(x)
    for stage, filters in enumerate(FILTERS, start=1):
        for block in range(blocks):
            stride = 2 if stage > 1 and block == 0 else 1
            x = _residual(x, filters, stride, f"block{stage}{chr(ord('a') + block)}")
    return keras.Model(pixels, x, name=f"cifar_resnet{6 * blocks + 2}")


cifar_resnet8 = partial(cifar_resnet, blocks=1)
cifar_resnet14 = partial(cifar_resnet, blocks=2)


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
