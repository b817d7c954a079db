"""Backbones with random weights, by the name that params.yaml gives them."""

from collections.abc import Callable
from typing import NamedTuple

import keras

from pipeline.networks import cifar_resnet, efficientnet_lite
from pipeline.networks.applications import build_application
from pipeline.networks.keras_files import read_keras_file, rebuilt
from pipeline.networks.names import APPLICATIONS, BUILT_HERE, is_file, known_architecture
from pipeline.store.errors import InputError


class Architecture(NamedTuple):
    """A network that is built here: from an image size in pixels, and what a card says of it."""

    build: Callable[[int], keras.Model]
    preprocessing: str
    citation: str


# `names.BUILT_HERE` lists the same names without importing Keras.
ARCHITECTURES: dict[str, Architecture] = {
    "efficientnet_lite0": Architecture(
        efficientnet_lite.efficientnet_lite0, efficientnet_lite.PREPROCESSING, efficientnet_lite.CITATION
    ),
    "cifar_resnet8": Architecture(
        lambda size: cifar_resnet.cifar_resnet(size, 1), cifar_resnet.PREPROCESSING, cifar_resnet.CITATION
    ),
    "cifar_resnet14": Architecture(
        lambda size: cifar_resnet.cifar_resnet(size, 2), cifar_resnet.PREPROCESSING, cifar_resnet.CITATION
    ),
}


def build_backbone(architecture: str, image_size: int, seed: int, sha256: str | None = None) -> keras.Model:
    """Build a backbone with random weights, the same ones whenever the seed is the same.

    Resets Keras' global state (layer-name counters and the random seeds of Python, NumPy and the backend), so that
    names and weights do not depend on what the process built before.

    Args:
        architecture: a name of `names.py`, or the path of a `.keras` file, of which only the structure is used.
        image_size: height and width in pixels.
        seed: of the initial weights.
        sha256: of the file; required for a path, ignored otherwise.

    Returns:
        A Functional model from raw pixels float32 (n, s, s, 3) of 0..255, input layer "pixels", to a feature map
        (n, h, w, c); everything is trainable.

    Raises:
        InputError: unknown name, a size that the network cannot take, or a file that is refused.
    """
    check_architecture(architecture)
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    if architecture in ARCHITECTURES:
        return ARCHITECTURES[architecture].build(image_size)
    if is_file(architecture):
        model = read_keras_file(architecture, sha256)
        keras.utils.set_random_seed(seed)  # reading the file drew initial weights before it replaced them
        return rebuilt(model, image_size, keep_weights=False, where=architecture)
    return build_application(architecture, image_size)


def check_architecture(architecture: str) -> None:
    """Raise InputError, with all allowed names, unless `architecture` is one of them or a `.keras` path."""
    if not known_architecture(architecture):
        raise InputError(
            f"Unknown architecture {architecture!r}. Allowed: {', '.join(BUILT_HERE + APPLICATIONS)}, "
            "or the path of a .keras file with its sha256."
        )
