"""Load a source's backbone (published, from a file, or random) with a card: origin, licence, citation, cost."""

import hashlib
from typing import Any

import keras

from pipeline.networks.applications import build_application, describe, preprocessing_of
from pipeline.networks.architectures import build_backbone, check_architecture
from pipeline.networks.downloads import HASHES, weights_file, weights_url
from pipeline.networks.flops import forward_and_backward
from pipeline.networks.hdf5_weights import read_weights
from pipeline.networks.keras_files import read_keras_file, rebuilt
from pipeline.networks.pinned import read_pinned
from pipeline.networks.provenance import provenance_of
from pipeline.networks.trainable import parameters
from pipeline.registry.architectures import ARCHITECTURES, ArchitectureEntry, ImageNetWeights, allowed_weights, is_file
from pipeline.store.errors import InputError
from pipeline.store.places import load

Card = dict[str, Any]

FILE_PREPROCESSING = "the file's own layers; it is given RGB pixels 0..255"
NOT_STATED = "not stated by the file"
RANDOM = "random weights"
# why the pretraining cost is unknown, by kind of weights; random ones cost nothing
NO_COST = {"imagenet": "not published with the weights", "file": NOT_STATED}


def load_published(
    architecture: str,
    weights: str,
    image_size: int,
    sha256: str | None = None,
    seed: int = 0,
    path: str | None = None,
) -> tuple[keras.Model, Card]:
    """Load a backbone and its card.

    Args:
        architecture: a registered name, or a `.keras` path.
        weights: "imagenet" for a name with published weights, "file" for a `.keras` path or with a file of weights,
            "random" for all.
        image_size: height and width in pixels.
        sha256: of the file, required with one.
        seed: of random weights.
        path: of a file of weights of a model of keras.applications, with weights "file".

    Returns:
        The backbone, raw pixels float32 (n, s, s, 3) of 0..255 to a feature map (n, h, w, c); and its card:
        architecture (and architecture_sha256 of a file), weights, origin, licence, sha256 (None for random weights),
        preprocessing, parameters (trainable ones), image_size, citation, and cost. Cost is that of pretraining:
        images_seen, gflops and its parts forward_gflops and backward_gflops, all None with a `reason` where unknown;
        inherited_gflops is 0, since none of it was spent in this pipeline.

    Raises:
        InputError: weights that are missing, unreachable, altered, or refused because they would run code.
    """
    check_architecture(architecture)
    allowed = allowed_weights(architecture)
    if weights not in allowed:
        raise InputError(
            f"Source with architecture {architecture!r} has weights {weights!r}; allowed is "
            f"{' or '.join(map(repr, allowed))} ('file' for a .keras path or a file of weights of a model of "
            "keras.applications, 'imagenet' for a named architecture with published weights, 'random' for every one)."
        )
    keras.utils.clear_session(free_memory=False)  # layer names must not depend on networks built earlier
    if weights == "random":
        backbone, facts = _random(architecture, image_size, sha256, seed)
    elif is_file(architecture):
        backbone, facts = _from_file(architecture, image_size, sha256)
    elif weights == "file":
        backbone, facts = _from_weights(architecture, image_size, path, sha256)
    elif (entry := ARCHITECTURES.get(architecture)) and entry.imagenet:
        backbone, facts = _registered(entry, entry.imagenet, image_size)
    else:
        backbone, facts = _application(architecture, image_size)
    pinned = sha256 if is_file(architecture) else None
    card: Card = {"architecture": architecture, "architecture_sha256": pinned, "weights": weights}
    card |= {"image_size": image_size, **facts}
    unknown = NO_COST.get(weights)
    spent = {"images_seen": 0, **forward_and_backward(0.0, 0.0)}
    card["cost"] = {**(dict.fromkeys(spent) if unknown else spent), "inherited_gflops": 0.0, "reason": unknown}
    return backbone, card | {"parameters": parameters(backbone.trainable_weights)}


def _facts(origin: str, licence: str, sha256: str | None, preprocessing: str, citation: str) -> Card:
    facts = {"origin": origin, "licence": licence, "sha256": sha256}
    return {**facts, "preprocessing": preprocessing, "citation": citation}


def _random(architecture: str, image_size: int, sha256: str | None, seed: int) -> tuple[keras.Model, Card]:
    backbone = build_backbone(architecture, image_size, seed, sha256)
    if entry := ARCHITECTURES.get(architecture):
        preprocessing, citation = entry.preprocessing, entry.citation
    elif is_file(architecture):
        preprocessing, citation = FILE_PREPROCESSING, NOT_STATED
    else:
        preprocessing, citation = describe(preprocessing_of(architecture)), provenance_of(architecture)[1]
    return backbone, _facts(RANDOM, "none", None, preprocessing, citation)


def _registered(entry: ArchitectureEntry, published: ImageNetWeights, image_size: int) -> tuple[keras.Model, Card]:
    backbone, origin, sha256 = load(published.load)(image_size)
    return backbone, _facts(origin, published.licence, sha256, entry.preprocessing, entry.citation)


def _application(architecture: str, image_size: int) -> tuple[keras.Model, Card]:
    url = weights_url(architecture, image_size)
    path = weights_file(url, HASHES.get(architecture))
    content = path.read_bytes()
    backbone = build_application(architecture, image_size, read_weights(content, str(path)), str(path))
    licence, citation = provenance_of(architecture)
    sha256 = hashlib.sha256(content).hexdigest()
    return backbone, _facts(url, licence, sha256, describe(preprocessing_of(architecture)), citation)


def _from_weights(architecture: str, image_size: int, path: str | None, sha256: str | None) -> tuple[keras.Model, Card]:
    if path is None:
        raise InputError(f"{architecture} with weights 'file' needs the path of its file of weights.")
    backbone = build_application(architecture, image_size, read_weights(read_pinned(path, sha256), path), path)
    citation = provenance_of(architecture)[1]
    preprocessing = describe(preprocessing_of(architecture))
    return backbone, _facts(path, NOT_STATED, str(sha256).lower(), preprocessing, citation)


def _from_file(path: str, image_size: int, sha256: str | None) -> tuple[keras.Model, Card]:
    backbone = rebuilt(read_keras_file(path, sha256), image_size, keep_weights=True, where=path)
    return backbone, _facts(path, NOT_STATED, str(sha256).lower(), FILE_PREPROCESSING, NOT_STATED)
