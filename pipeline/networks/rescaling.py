"""Random weights with the statistics of pretrained ones: what a transfer gives beside its features.

Part of what pretrained weights bring is their scale alone. Raghu et al. (Transfusion: Understanding Transfer Learning
for Medical Imaging, NeurIPS 2019, "Mean Var Init") draw every tensor from a normal distribution with the mean and the
variance of the pretrained tensor; what a network that starts so gains over one from random weights is no feature.

Here the entries of every pretrained tensor are dealt out anew at random. That keeps mean and variance exactly rather
than on average, and what must be positive (variances, mostly scales) positive, under one rule for all kinds of tensors.
"""

import keras
import numpy as np

from pipeline.store.seeds import seed_for


def permuted(values: np.ndarray, seed: int) -> np.ndarray:
    """The entries of an array of any shape in a random order: same shape, dtype, mean and variance."""
    shuffled: np.ndarray = np.random.default_rng(seed).permutation(values.ravel()).reshape(values.shape)
    return shuffled


def take_statistics(network: keras.Model, source: keras.Model, seed: int) -> None:
    """Give every weight of `network` the entries of the same weight of `source`, in a random order.

    What a preprocessing layer knows of its inputs is no weight that was learnt: it stays.

    Raises:
        ValueError: the two are not of the same architecture.
    """
    kept = {
        weight.path
        for layer in network.layers
        if isinstance(layer, keras.layers.Normalization)
        for weight in layer.weights
    }
    shapes = [[tuple(weight.shape) for weight in model.weights] for model in (network, source)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"'{network.name}' and '{source.name}' do not have the same weights: statistics cannot be taken"
        )
    for index, (weight, pretrained) in enumerate(zip(network.weights, source.weights, strict=True)):
        if weight.path not in kept:
            weight.assign(permuted(keras.ops.convert_to_numpy(pretrained), seed_for(seed, "statistics", index)))
