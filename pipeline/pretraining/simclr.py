"""SimCLR: two views of an image are to be closer than views of any two images (Chen et al., ICML 2020)."""

from typing import Any

from keras import ops

from pipeline.pretraining.settings import SimCLR
from pipeline.pretraining.task import Learnt, Task
from pipeline.pretraining.two_views import learn_from_views


def learn(task: Task) -> Learnt:
    """Learn by contrast with the other images of the batch; the projection has one hidden layer."""
    settings = task.settings
    if not isinstance(settings, SimCLR):
        raise TypeError(f"SimCLR needs its own settings, received {type(settings).__name__}")
    return learn_from_views(task, settings, 1, lambda projections: nt_xent(projections, settings.temperature))


def nt_xent(projections: Any, temperature: float) -> Any:
    """The normalised temperature-scaled cross entropy (equation 1 of the paper), over all 2 n views.

    Args:
        projections: (2 n, d); i and n + i are of one image.
        temperature: divides the cosine similarities.
    """
    unit = ops.normalize(projections, axis=-1)
    similar = ops.matmul(unit, ops.transpose(unit)) / temperature
    others = similar - 1e9 * ops.eye(ops.shape(unit)[0], dtype=similar.dtype)  # a view is not compared with itself
    first, second = ops.split(unit, 2, axis=0)
    positive = ops.sum(first * second, axis=-1) / temperature
    return ops.mean(ops.logsumexp(others, axis=-1)) - ops.mean(positive)
