"""Random weights with the statistics of pretrained ones: a control for the effect of scale without features.

Part of the gain from pretrained weights comes from their scale alone. Raghu et al. (Transfusion: Understanding Transfer
Learning for Medical Imaging, NeurIPS 2019, "Mean Var Init") draw every tensor from a normal distribution with the mean
and variance of the pretrained tensor. Here the entries of every pretrained tensor are shuffled instead: this keeps mean
and variance exactly, and positive tensors (variances, most scales) positive.
"""

import keras
import numpy as np

from pipeline.store.seeds import seed_for


def shuffled(values: np.ndarray, seed: int) -> np.ndarray:
    """The entries of an array of any shape in a random order: same shape, dtype, mean and variance."""
    result: np.ndarray = np.random.default_rng(seed).permutation(values.ravel()).reshape(values.shape)
    return result


def shuffle_weights(network: keras.Model, source: keras.Model, seed: int) -> None:
    """Set every weight of `network` to the shuffled entries of the same weight of `source`.

    Statistics of Normalization layers are preprocessing and stay unchanged.

    Raises:
        ValueError: the two have different architectures.
    """
    normalizations = [layer for layer in network.layers if isinstance(layer, keras.layers.Normalization)]
    kept = {weight.path for layer in normalizations for weight in layer.weights}
    shapes = [[tuple(weight.shape) for weight in model.weights] for model in (network, source)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"'{network.name}' and '{source.name}' do not have the same weights to shuffle")
    for index, (weight, pretrained) in enumerate(zip(network.weights, source.weights, strict=True)):
        if weight.path not in kept:
            weight.assign(shuffled(keras.ops.convert_to_numpy(pretrained), seed_for(seed, "statistics", index)))
