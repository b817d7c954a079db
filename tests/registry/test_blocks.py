"""Names of blocks, known without building a network; tests of the networks compare some with those that are built."""

import pytest

from pipeline.registry.architectures import APPLICATIONS, ARCHITECTURES, block_count
from pipeline.registry.blocks import NAMES, block_names, may_unfreeze


def test_names_are_as_many_as_blocks():
    assert set(NAMES) == {name for name in {**ARCHITECTURES, **APPLICATIONS} if not name.startswith("NASNet")}
    assert {name: len(set(block_names(name))) for name in NAMES} == {name: block_count(name) for name in NAMES}


@pytest.mark.parametrize(
    ("architecture", "name", "may"),
    [
        ("efficientnet_lite0", "block6a", True),
        ("efficientnet_lite0", "block6e", False),
        ("efficientnet_lite0", "block6b_expand_conv", True),
        ("efficientnet_lite0", "layer4", False),  # as torchvision names them
        ("ResNet50", "conv4_block6_out", True),
        ("ResNet50", "conv4_block7", False),
        ("VGG16", "block50", False),
        ("NASNetMobile", "anything", True),
        ("mine.keras", "anything", True),
    ],
)
def test_a_name_of_no_block_and_no_layer_is_known(architecture, name, may):
    assert may_unfreeze(architecture, name) is may
