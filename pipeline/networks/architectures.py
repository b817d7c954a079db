"""Build a backbone with random weights by the name of its architecture."""

import keras

from pipeline.networks.applications import build_application
from pipeline.networks.keras_files import read_keras_file, rebuilt
from pipeline.registry.architectures import ARCHITECTURES, is_file, known_architecture, unknown_architecture
from pipeline.store.errors import InputError
from pipeline.store.places import load


def build_backbone(architecture: str, image_size: int, seed: int, sha256: str | None = None) -> keras.Model:
    """Build a backbone with random weights, determined by the seed.

    Resets Keras' global state (layer-name counters and the random seeds of Python, NumPy and the backend), so that
    layer names and weights do not depend on networks built earlier.

    Args:
        architecture: a registered name, or the path of a `.keras` file, of which only the structure is used.
        image_size: height and width in pixels.
        seed: of the initial weights.
        sha256: of the file; required with a path, ignored otherwise.

    Returns:
        A Functional model from raw pixels float32 (n, s, s, 3) of 0..255, input layer "pixels", to a feature map
        (n, h, w, c); everything is trainable.

    Raises:
        InputError: unknown name, unsupported size, or a refused file.
    """
    check_architecture(architecture)
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    if architecture in ARCHITECTURES:
        backbone: keras.Model = load(ARCHITECTURES[architecture].build)(image_size)
        return backbone
    if is_file(architecture):
        model = read_keras_file(architecture, sha256)
        keras.utils.set_random_seed(seed)  # loading the file consumed random numbers
        return rebuilt(model, image_size, keep_weights=False, where=architecture)
    return build_application(architecture, image_size)


def check_architecture(architecture: str) -> None:
    """Raise InputError, with all allowed names, unless `architecture` is one of them or a `.keras` path."""
    if not known_architecture(architecture):
        refused = unknown_architecture(architecture)
        raise InputError(f"{refused[0].upper()}{refused[1:]}.")
