"""AdaBN: the statistics of batch normalisation taken anew from the target's images; every weight stays the source's.

Li, Wang, Shi, Liu and Hou, Revisiting Batch Normalization For Practical Domain Adaptation, 2016 (arXiv:1603.04779).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from pipeline.adaptation.problem import Adapted, Adapter, Images, Source, head_of
from pipeline.config.schema import Adapt
from pipeline.networks.flops import GIGA, forward_flops
from pipeline.networks.graph import flat_layers
from pipeline.store.errors import InputError
from pipeline.training.pooled import pooled_features

BATCH = 128  # statistics of small batches are noisy, and every layer sees what those before it made of the same batch
IMAGES = 512  # what statistics are taken from, at most: each is a mean over as many and all places of the feature map
Statistics = list[tuple[np.ndarray, np.ndarray]]  # mean and variance of every normalising layer, in order


def normalising_layers(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    """The network's layers of batch normalisation, in the order of its graph."""
    return [layer for layer in flat_layers(network) if isinstance(layer, keras.layers.BatchNormalization)]


def statistics(network: keras.Model) -> Statistics:
    """Copies of the moving means and variances."""
    numbers = keras.ops.convert_to_numpy
    return [
        (np.array(numbers(layer.moving_mean)), np.array(numbers(layer.moving_variance)))
        for layer in normalising_layers(network)
    ]


def set_statistics(network: keras.Model, values: Statistics) -> None:
    """Put moving means and variances into a network."""
    for layer, (mean, variance) in zip(normalising_layers(network), values, strict=True):
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)


@contextmanager
def with_statistics(network: keras.Model, values: Statistics) -> Iterator[None]:
    """Lend a network other statistics."""
    own = statistics(network)
    set_statistics(network, values)
    try:
        yield
    finally:
        set_statistics(network, own)


@contextmanager
def _normalising_by_batch(network: keras.Model) -> Iterator[None]:
    """Let a call with training=True normalise by its batch and keep that batch's statistics, and drop nothing out."""
    normalising = normalising_layers(network)
    dropping = [layer for layer in flat_layers(network) if isinstance(layer, keras.layers.Dropout)]
    kept = [(layer.momentum, layer.trainable) for layer in normalising], [layer.rate for layer in dropping]
    for layer in normalising:
        layer.momentum, layer.trainable = 0.0, True
    for drop in dropping:
        drop.rate = 0.0
    try:
        yield
    finally:
        for layer, (momentum, trainable) in zip(normalising, kept[0], strict=True):
            layer.momentum, layer.trainable = momentum, trainable
        for drop, rate in zip(dropping, kept[1], strict=True):
            drop.rate = rate


def estimate(network: keras.Model, images: Images, batch: int = BATCH) -> Statistics:
    """Mean and variance over images, batches and places, of what enters every normalising layer.

    Batches are of nearly equal size; the variance is that within batches plus that between them, so that for the first
    layer both are exact. The network keeps its own statistics.
    """
    places = np.array_split(np.arange(len(images.positions)), -(-len(images.positions) // batch))
    means: list[list[np.ndarray]] = []
    squares: list[list[np.ndarray]] = []
    with with_statistics(network, statistics(network)), _normalising_by_batch(network):
        for part in places:
            chosen = images.positions[part]
            network(images.load(chosen, np.zeros_like(chosen)), training=True)
            found = statistics(network)
            means.append([mean for mean, _ in found])
            squares.append([variance + mean**2 for mean, variance in found])
    sizes = [len(part) for part in places]
    result = []
    for layer in range(len(means[0])):
        mean = np.average([row[layer] for row in means], axis=0, weights=sizes)
        square = np.average([row[layer] for row in squares], axis=0, weights=sizes)
        result.append((mean, np.maximum(square - mean**2, 0)))
    return result


def prepare(source: Source, settings: Adapt) -> Adapter:
    """Estimate statistics on the target and predict with the source's own head.

    Raises:
        InputError: the source's network has no batch normalisation.
    """
    network = source.network
    if not normalising_layers(network):
        raise InputError("adapt.methods has adabn, but the source's network has no batch normalisation; take it out.")
    forward = forward_flops(network) / GIGA

    def adapt(target: Images, strength: float, seed: int) -> Adapted:
        some = target.part(np.linspace(0, len(target.positions) - 1, min(IMAGES, len(target.positions)), dtype=int))
        found = estimate(network, some)

        def features(images: Images) -> np.ndarray:
            with with_statistics(network, found):
                return pooled_features(network, images.load, images.positions)

        return Adapted(features, lambda own: own, head_of(source), forward * len(some.positions))

    return adapt
