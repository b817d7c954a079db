"""SimCLR: contrastive pretraining on two views of each image (Chen et al., ICML 2020)."""

from typing import Any

from keras import ops

from pipeline.pretraining.settings import SimCLR
from pipeline.pretraining.task import PretrainResult, Task
from pipeline.pretraining.two_views import learn_from_views

SMALLEST = 1e-14  # squared length: a projection of zeros stays one, with a finite gradient (nan by `ops.normalize`)


def learn(task: Task) -> PretrainResult:
    """Train with NT-Xent against the other images of the batch; the projection has one hidden layer."""
    settings = task.settings
    if not isinstance(settings, SimCLR):
        raise TypeError(f"SimCLR needs its own settings, received {type(settings).__name__}")
    return learn_from_views(task, settings, 1, lambda projections: nt_xent(projections, settings.temperature))


def nt_xent(projections: Any, temperature: float) -> Any:
    """NT-Xent: normalised temperature-scaled cross entropy over all 2 n views (equation 1 of the paper).

    Args:
        projections: (2 n, d); rows i and n + i are views of one image.
        temperature: divides the cosine similarities.
    """
    squares = ops.sum(ops.square(projections), axis=-1, keepdims=True)
    unit = projections * ops.rsqrt(ops.maximum(squares, SMALLEST))
    similar = ops.matmul(unit, ops.transpose(unit)) / temperature
    others = similar - 1e9 * ops.eye(ops.shape(unit)[0], dtype=similar.dtype)  # a view is not compared with itself
    first, second = ops.split(unit, 2, axis=0)
    positive = ops.sum(first * second, axis=-1) / temperature
    return ops.mean(ops.logsumexp(others, axis=-1)) - ops.mean(positive)
