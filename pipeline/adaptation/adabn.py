"""AdaBN: re-estimate the batch normalisation statistics on the target; all weights stay the source's.

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
from pipeline.training.batches import predict_now

BATCH = 128  # statistics of small batches are noisy
IMAGES = 512  # upper bound; each statistic is a mean over images and all places of the feature map
Statistics = list[tuple[np.ndarray, np.ndarray]]  # mean and variance of every BatchNormalization layer, in order


def normalising_layers(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    """The BatchNormalization layers of a network, in the order of its graph."""
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
    """Give a network other statistics inside the block."""
    own = statistics(network)
    set_statistics(network, values)
    try:
        yield
    finally:
        set_statistics(network, own)


@contextmanager
def _normalising_by_batch(network: keras.Model) -> Iterator[None]:
    """Make a call with training=True store its batch's statistics as the moving ones, without dropout."""
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
    """Mean and variance of the inputs of every BatchNormalization layer, over images and places.

    Batches are of nearly equal size. The variance is that within batches plus that between them, so that it is exact
    for the first layer. The network keeps its own statistics.
    """
    batches = np.array_split(images.positions, -(-len(images.positions) // batch))
    found = []
    with with_statistics(network, statistics(network)), _normalising_by_batch(network):
        for chosen in batches:
            network(images.load(chosen, np.zeros_like(chosen)), training=True)
            found.append(statistics(network))
    sizes = [len(chosen) for chosen in batches]
    result = []
    for of_layer in zip(*found, strict=True):
        mean = np.average([mean for mean, _ in of_layer], axis=0, weights=sizes)
        square = np.average([variance + mean**2 for mean, variance in of_layer], axis=0, weights=sizes)
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
                # its weights change from call to call: as constants they would be compiled anew
                return predict_now(network, images.load, images.positions)

        return Adapted(features, lambda own: own, head_of(source), forward * len(some.positions))

    return adapt
