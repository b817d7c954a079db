"""DAN: the maximum mean discrepancy between the domains under several Gaussian kernels, as a loss.

Long, Cao, Wang and Jordan, Learning Transferable Features with Deep Adaptation Networks, ICML 2015.
"""

from typing import Any

from keras import ops

from pipeline.adaptation.alignment import Pair, prepare_with, scaled

WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the kernels, in mean squared distances


def squared_distances(features: Any) -> Any:
    """All squared Euclidean distances (b, b) between rows of (b, e)."""
    norms = ops.sum(ops.square(features), axis=1)
    products = ops.matmul(features, ops.transpose(features))
    return ops.maximum(norms[:, None] + norms[None, :] - 2 * products, 0.0)


def mmd_loss(pair: Pair) -> Any:
    """The biased estimate of the squared discrepancy, a mean over kernels exp(-distance / width), a scalar from 0 on.

    Widths follow the batch's mean squared distance, through which no gradient passes.
    """
    count = pair.source.shape[0]
    distances = squared_distances(ops.concatenate([pair.source, pair.target]))
    width = ops.stop_gradient(ops.sum(distances) / (2 * count * (2 * count - 1))) + 1e-6
    kernel = sum(ops.exp(-distances / (factor * width)) for factor in WIDTHS) / len(WIDTHS)
    within = ops.mean(kernel[:count, :count]) + ops.mean(kernel[count:, count:])
    return within - 2 * ops.mean(kernel[:count, count:])


prepare = prepare_with(scaled(mmd_loss))
