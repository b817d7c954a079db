"""Backbones with random weights, by the name that params.yaml gives them."""

import keras

from pipeline.networks.applications import build_application
from pipeline.networks.keras_files import read_keras_file, rebuilt
from pipeline.registry.architectures import ARCHITECTURES, is_file, known_architecture, unknown_architecture
from pipeline.store.errors import InputError
from pipeline.store.places import load


def build_backbone(architecture: str, image_size: int, seed: int, sha256: str | None = None) -> keras.Model:
    """Build a backbone with random weights, the same ones whenever the seed is the same.

    Resets Keras' global state (layer-name counters and the random seeds of Python, NumPy and the backend), so that
    names and weights do not depend on what the process built before.

    Args:
        architecture: a registered name, or the path of a `.keras` file, of which only the structure is used.
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
        backbone: keras.Model = load(ARCHITECTURES[architecture].build)(image_size)
        return backbone
    if is_file(architecture):
        model = read_keras_file(architecture, sha256)
        keras.utils.set_random_seed(seed)  # reading the file drew initial weights before it replaced them
        return rebuilt(model, image_size, keep_weights=False, where=architecture)
    return build_application(architecture, image_size)


def check_architecture(architecture: str) -> None:
    """Raise InputError, with all allowed names, unless `architecture` is one of them or a `.keras` path."""
    if not known_architecture(architecture):
        refused = unknown_architecture(architecture)
        raise InputError(f"{refused[0].upper()}{refused[1:]}.")
