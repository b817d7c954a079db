"""EfficientNet-Lite0 to 2: EfficientNet with ReLU6, without squeeze-and-excitation (Tan and Le, ICML 2019; 2020)."""

import math
from functools import partial
from typing import Any, NamedTuple

import keras
from keras import layers


class Stage(NamedTuple):
    """One row of the paper's table: `repeats` inverted residual blocks, the first with `stride`."""

    kernel: int
    stride: int
    expand: int
    filters: int
    repeats: int


LITE0 = (
    Stage(3, 1, 1, 16, 1),
    Stage(3, 2, 6, 24, 2),
    Stage(5, 2, 6, 40, 2),
    Stage(3, 2, 6, 80, 3),
    Stage(5, 1, 6, 112, 3),
    Stage(5, 2, 6, 192, 4),
    Stage(3, 1, 6, 320, 1),
)
STEM_FILTERS = 32  # Lite scales neither the stem nor the top with the width
TOP_FILTERS = 1280
SCALES = {"efficientnet_lite0": (1.0, 1.0), "efficientnet_lite1": (1.0, 1.1), "efficientnet_lite2": (1.1, 1.2)}
FILTERS_STEP = 8  # filters are a multiple of this


def stages_of(name: str) -> tuple[Stage, ...]:
    """The table of Lite0 with the width and depth of another network; Lite repeats neither the first nor the last."""
    width, depth = SCALES[name]
    repeats = [stage.repeats if stage in (LITE0[0], LITE0[-1]) else math.ceil(depth * stage.repeats) for stage in LITE0]
    return tuple(
        stage._replace(filters=_rounded(width * stage.filters), repeats=count)
        for stage, count in zip(LITE0, repeats, strict=True)
    )


def _rounded(filters: float) -> int:
    """The nearest multiple of 8, the next where that is less than 90 %."""
    nearest = max(FILTERS_STEP, int(filters + FILTERS_STEP / 2) // FILTERS_STEP * FILTERS_STEP)
    return nearest if nearest >= 0.9 * filters else nearest + FILTERS_STEP


def block_names(name: str) -> list[tuple[str, Stage, int]]:
    """Every block from the input on: the prefix of its layers, its stage and its stride."""
    return [
        (f"block{number}{chr(ord('a') + repeat)}", stage, stage.stride if repeat == 0 else 1)
        for number, stage in enumerate(stages_of(name), start=1)
        for repeat in range(stage.repeats)
    ]


def efficientnet_lite(name: str, image_size: int) -> keras.Model:
    """Build the backbone with random weights: pixels (n, s, s, 3) of 0..255 to a feature map (n, s/32, s/32, 1280).

    Args:
        name: a key of `SCALES`.
    """
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="preprocess")(pixels)
    x = layers.Conv2D(STEM_FILTERS, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(x)
    x = _norm_relu6(x, "stem")
    for block, stage, stride in block_names(name):
        x = _inverted_residual(x, stage, stride, block)
    x = layers.Conv2D(TOP_FILTERS, 1, use_bias=False, name="top_conv")(x)
    return keras.Model(pixels, _norm_relu6(x, "top"), name=name)


efficientnet_lite0 = partial(efficientnet_lite, "efficientnet_lite0")
efficientnet_lite1 = partial(efficientnet_lite, "efficientnet_lite1")
efficientnet_lite2 = partial(efficientnet_lite, "efficientnet_lite2")


def _inverted_residual(x: Any, stage: Stage, stride: int, name: str) -> Any:
    """Expand, convolve depthwise, project; add the input where the shapes agree (Sandler et al., CVPR 2018)."""
    inputs, channels = x, x.shape[-1]
    if stage.expand > 1:
        x = layers.Conv2D(channels * stage.expand, 1, use_bias=False, name=f"{name}_expand_conv")(x)
        x = _norm_relu6(x, f"{name}_expand")
    x = layers.DepthwiseConv2D(
        stage.kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )(x)
    x = _norm_relu6(x, f"{name}_depthwise")
    x = layers.Conv2D(stage.filters, 1, use_bias=False, name=f"{name}_project_conv")(x)
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_project_bn")(x)
    if stride == 1 and channels == stage.filters:
        x = layers.Add(name=f"{name}_add")([inputs, x])
    return x


def _norm_relu6(x: Any, name: str) -> Any:
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)
    return layers.ReLU(max_value=6.0, name=f"{name}_activation")(x)
