"""VICReg: variance-invariance-covariance regularisation on two views of each image (Bardes et al., ICLR 2022)."""

from typing import Any

from keras import ops

from pipeline.pretraining.settings import VICReg
from pipeline.pretraining.task import PretrainResult, Task
from pipeline.pretraining.two_views import learn_from_views

EPSILON = 1e-4  # keeps the gradient of the standard deviation finite at 0


def learn(task: Task) -> PretrainResult:
    """Train with the VICReg loss; the projection has two hidden layers, as in the paper."""
    settings = task.settings
    if not isinstance(settings, VICReg):
        raise TypeError(f"VICReg needs its own settings, received {type(settings).__name__}")

    def loss(projections: Any) -> Any:
        return vicreg(projections, settings.invariance, settings.variance, settings.covariance)

    return learn_from_views(task, settings, 2, loss)


def vicreg(projections: Any, invariance: float, variance: float, covariance: float) -> Any:
    """The weighted sum of the three terms (equation 6 of the paper).

    As in the authors' code, invariance is also averaged over features, and variance over the two views.

    Args:
        projections: (2 n, d); rows i and n + i are views of one image; n > 1.
        invariance: weight of the mean squared distance of the two views.
        variance: weight of the hinge on the features' standard deviations below 1.
        covariance: weight of the squared off-diagonal covariances, summed over both views and divided by d.
    """
    first, second = ops.split(projections, 2, axis=0)
    spread = (_shortfall(first) + _shortfall(second)) / 2
    repeated = _redundancy(first) + _redundancy(second)
    return invariance * ops.mean(ops.square(first - second)) + variance * spread + covariance * repeated


def _shortfall(features: Any) -> Any:
    return ops.mean(ops.relu(1 - ops.sqrt(ops.diagonal(_covariance(features)) + EPSILON)))


def _redundancy(features: Any) -> Any:
    matrix = _covariance(features)
    return (ops.sum(ops.square(matrix)) - ops.sum(ops.square(ops.diagonal(matrix)))) / ops.shape(features)[1]


def _covariance(features: Any) -> Any:
    centred = features - ops.mean(features, axis=0)
    return ops.matmul(ops.transpose(centred), centred) / (ops.shape(features)[0] - 1)
