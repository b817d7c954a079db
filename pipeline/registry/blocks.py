"""Names of the blocks of architectures, so that `check` knows a wrong `unfreeze` before a network is built.

A table of its own: what is trained depends on that of the architectures, and not on this one.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple


class Names(NamedTuple):
    """What `unfreeze` may name.

    Attributes:
        blocks: from the input on; `block2a-c` is short for `block2a block2b block2c`. The names of their layers begin
            with a block's and `_`.
        others: how the names of layers begin that do not.
    """

    blocks: str
    others: str = ""


CONVNEXT_STAGES = "stem stage_0_block_0-2 downsampling_block_0 stage_1_block_0-2 downsampling_block_1"
CONVNEXT_END = "downsampling_block_2 stage_3_block_0-2 top"
FIRST = ("flip", "preprocess")  # layers before the stem of a network that is built here
CONVNEXT = "convnext_ layer_normalization"
DENSENET = "zero_padding2d conv1_ pool bn relu"
EFFNET = "rescaling normalization"
INCEPTION = "conv2d batch_normalization activation max_pooling2d average_pooling2d conv_7b"
MOBILENET_V3 = "rescaling conv activation re_lu"
RESNET = "conv1_ pool1_ max_pooling2d post_"

NAMES: dict[str, Names] = {
    "efficientnet_lite0": Names("stem block1a block2a-b block3a-b block4a-c block5a-c block6a-d block7a top"),
    "efficientnet_lite1": Names("stem block1a block2a-c block3a-c block4a-d block5a-d block6a-e block7a top"),
    "efficientnet_lite2": Names("stem block1a block2a-c block3a-c block4a-d block5a-d block6a-e block7a top"),
    "cifar_resnet8": Names("stem block1a block2a block3a"),
    "cifar_resnet14": Names("stem block1a-b block2a-b block3a-b"),
    "resnet10_small": Names("stem block1a block2a block3a block4a"),
    "ConvNeXtTiny": Names(f"{CONVNEXT_STAGES} stage_2_block_0-8 {CONVNEXT_END}", CONVNEXT),
    "ConvNeXtSmall": Names(f"{CONVNEXT_STAGES} stage_2_block_0-26 {CONVNEXT_END}", CONVNEXT),
    "ConvNeXtBase": Names(f"{CONVNEXT_STAGES} stage_2_block_0-26 {CONVNEXT_END}", CONVNEXT),
    "ConvNeXtLarge": Names(f"{CONVNEXT_STAGES} stage_2_block_0-26 {CONVNEXT_END}", CONVNEXT),
    "ConvNeXtXLarge": Names(f"{CONVNEXT_STAGES} stage_2_block_0-26 {CONVNEXT_END}", CONVNEXT),
    "DenseNet121": Names("stem conv2_block1-6 conv3_block1-12 conv4_block1-24 conv5_block1-16 top", DENSENET),
    "DenseNet169": Names("stem conv2_block1-6 conv3_block1-12 conv4_block1-32 conv5_block1-32 top", DENSENET),
    "DenseNet201": Names("stem conv2_block1-6 conv3_block1-12 conv4_block1-48 conv5_block1-32 top", DENSENET),
    "EfficientNetB0": Names("stem block1a block2a-b block3a-b block4a-c block5a-c block6a-d block7a top", EFFNET),
    "EfficientNetB1": Names("stem block1a-b block2a-c block3a-c block4a-d block5a-d block6a-e block7a-b top", EFFNET),
    "EfficientNetB2": Names("stem block1a-b block2a-c block3a-c block4a-d block5a-d block6a-e block7a-b top", EFFNET),
    "EfficientNetB3": Names("stem block1a-b block2a-c block3a-c block4a-e block5a-e block6a-f block7a-b top", EFFNET),
    "EfficientNetB4": Names("stem block1a-b block2a-d block3a-d block4a-f block5a-f block6a-h block7a-b top", EFFNET),
    "EfficientNetB5": Names("stem block1a-c block2a-e block3a-e block4a-g block5a-g block6a-i block7a-c top", EFFNET),
    "EfficientNetB6": Names("stem block1a-c block2a-f block3a-f block4a-h block5a-h block6a-k block7a-c top", EFFNET),
    "EfficientNetB7": Names("stem block1a-d block2a-g block3a-g block4a-j block5a-j block6a-m block7a-d top", EFFNET),
    "EfficientNetV2B0": Names("stem block1a block2a-b block3a-b block4a-c block5a-e block6a-h top", EFFNET),
    "EfficientNetV2B1": Names("stem block1a-b block2a-c block3a-c block4a-d block5a-f block6a-i top", EFFNET),
    "EfficientNetV2B2": Names("stem block1a-b block2a-c block3a-c block4a-d block5a-f block6a-j top", EFFNET),
    "EfficientNetV2B3": Names("stem block1a-b block2a-c block3a-c block4a-e block5a-g block6a-l top", EFFNET),
    "EfficientNetV2S": Names("stem block1a-b block2a-d block3a-d block4a-f block5a-i block6a-o top", EFFNET),
    "EfficientNetV2M": Names("stem block1a-c block2a-e block3a-e block4a-g block5a-n block6a-r block7a-e top", EFFNET),
    "EfficientNetV2L": Names("stem block1a-d block2a-g block3a-g block4a-j block5a-s block6a-y block7a-g top", EFFNET),
    "InceptionResNetV2": Names("stem mixed_5b block35_1-10 mixed_6a block17_1-20 mixed_7a block8_1-10 top", INCEPTION),
    "InceptionV3": Names("stem mixed0-10", INCEPTION),
    "MobileNet": Names("stem block_1-13", "conv1 conv_"),
    "MobileNetV2": Names("stem expanded_conv block_1-16 top", "Conv1 bn_Conv1 Conv_1 out_relu"),
    "MobileNetV3Small": Names("stem expanded_conv expanded_conv_1-10 top", MOBILENET_V3),
    "MobileNetV3Large": Names("stem expanded_conv expanded_conv_1-14 top", MOBILENET_V3),
    "ResNet50": Names("stem conv2_block1-3 conv3_block1-4 conv4_block1-6 conv5_block1-3", RESNET),
    "ResNet50V2": Names("stem conv2_block1-3 conv3_block1-4 conv4_block1-6 conv5_block1-3 top", RESNET),
    "ResNet101": Names("stem conv2_block1-3 conv3_block1-4 conv4_block1-23 conv5_block1-3", RESNET),
    "ResNet101V2": Names("stem conv2_block1-3 conv3_block1-4 conv4_block1-23 conv5_block1-3 top", RESNET),
    "ResNet152": Names("stem conv2_block1-3 conv3_block1-8 conv4_block1-36 conv5_block1-3", RESNET),
    "ResNet152V2": Names("stem conv2_block1-3 conv3_block1-8 conv4_block1-36 conv5_block1-3 top", RESNET),
    "VGG16": Names("stem block1-5"),
    "VGG19": Names("stem block1-5"),
    "Xception": Names("stem block1-14", "conv2d"),
}


def block_names(architecture: str) -> list[str]:
    """The names of an architecture's blocks, from the input on; empty where they are not in the table."""
    return [name for run in NAMES[architecture].blocks.split() for name in _run(run)] if architecture in NAMES else []


def may_unfreeze(architecture: str, name: str) -> bool:
    """Whether `name` may be a block or layer of an architecture; True where that is known only of the built network."""
    names = block_names(architecture)
    begins = (*(f"{block}_" for block in names), *NAMES[architecture].others.split(), *FIRST) if names else ()
    return not names or name in names or name.startswith(begins)


def _run(text: str) -> Iterator[str]:
    """`a`, or all of `a1-3`."""
    found = re.fullmatch(r"(.*?)(\d+|[a-z])-(\d+|[a-z])", text)
    if found is None:
        yield text
    elif found[2].isdigit():
        yield from (f"{found[1]}{number}" for number in range(int(found[2]), int(found[3]) + 1))
    else:
        yield from (f"{found[1]}{chr(code)}" for code in range(ord(found[2]), ord(found[3]) + 1))
