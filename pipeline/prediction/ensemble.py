"""Predict pixels with the networks of an arm, one after another."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from pipeline.networks.heads import set_precision
from pipeline.networks.inference import predictor
from pipeline.networks.keras_files import at_size
from pipeline.networks.saving import load_model
from pipeline.prediction.members import Member
from pipeline.store.probabilities import normalised
from pipeline.training.batches import as_rgb, predict_in_threads
from pipeline.training.pooled import pooling

POOL, HEAD = "pool", "head"  # the layers by which networks/heads.py puts a head on a network
OnImages = Callable[[int], object]  # is told how many more images were predicted


class Outputs(NamedTuple):
    """What a network makes of images: pooled features (n, d) float32, and probabilities (n, k) float64."""

    features: np.ndarray
    probabilities: np.ndarray


def prepare(precision: str) -> None:
    """Let networks compute at `run.precision`, as they were trained."""
    keras.config.set_dtype_policy(precision)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of many functions; each network is one


def outputs(
    member: Member,
    pixels: np.ndarray,
    on_images: OnImages = lambda count: None,
    frozen: dict[Path, np.ndarray] | None = None,
) -> Outputs:
    """What a member makes of pixels uint8 (n, s, s, c), n > 0.

    Args:
        frozen: backbone -> its features of these pixels, which all heads on it share; what is missing is added.
    """
    keras.utils.clear_session()  # the networks before it
    network = load_model(member.network)
    if member.backbone is None:
        body = keras.Model(network.input, network.get_layer(POOL).output)
        features, head = _features(body, pixels, on_images), network.get_layer(HEAD)
    else:
        shared = {} if frozen is None else frozen
        if member.backbone in shared:
            on_images(len(pixels))
        else:
            shared[member.backbone] = _features(_backbone(member.backbone, pixels.shape[1]), pixels, on_images)
        features, head = shared[member.backbone], network
    return Outputs(features, normalised(predictor(head, len(features))(features)))


def _backbone(file: Path, size: int) -> keras.Model:
    backbone = at_size(load_model(file), size, file)
    set_precision(backbone)
    return pooling(backbone)


def _features(network: keras.Model, pixels: np.ndarray, on_images: OnImages) -> np.ndarray:
    def load(positions: np.ndarray, view: np.ndarray) -> np.ndarray:
        return as_rgb(pixels[positions]).astype("float32")

    batches = []
    for batch in predict_in_threads(predictor(network, len(pixels)), load, np.arange(len(pixels))):
        batches.append(batch)
        on_images(len(batch))
    return np.concatenate(batches)
