"""Deep CORAL: the distance between the domains' covariances as a loss.

Sun and Saenko, Deep CORAL: Correlation Alignment for Deep Domain Adaptation, ECCV Workshops 2016, equation 1.
"""

from typing import Any

from keras import ops

from pipeline.adaptation.alignment import Pair, prepare_with, scaled


def covariance(features: Any) -> Any:
    """The unbiased covariance (e, e) of features (b, e)."""
    centred = features - ops.mean(features, axis=0, keepdims=True)
    return ops.matmul(ops.transpose(centred), centred) / (features.shape[0] - 1)


def coral_loss(pair: Pair) -> Any:
    """Squared Frobenius norm of the difference of covariances over 4 e^2, a scalar."""
    difference = covariance(pair.source) - covariance(pair.target)
    return ops.sum(ops.square(difference)) / (4 * pair.source.shape[1] ** 2)


prepare = prepare_with(scaled(coral_loss))
