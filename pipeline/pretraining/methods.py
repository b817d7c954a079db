"""The ways of pretraining, by the names that params.yaml gives them."""

from collections.abc import Callable
from typing import NamedTuple

from pipeline.pretraining import rotation, simclr, supervised, vicreg
from pipeline.pretraining.task import Learnt, Task

ONE_DIRECTION = 1.05  # an effective rank this near to 1 is one direction and noise; random weights give 1.2 to 1.9


class Method(NamedTuple):
    """A way of pretraining.

    Attributes:
        learn: trains the task's backbone in place.
        citation: of the paper.
        validates: whether it keeps part of the images to choose the epoch on; the others learn from all of them.
        least_rank: effective rank of the pooled features below which it has failed; see `check_not_collapsed`. More
            than one direction is due, but from `supervised`: what tells two classes apart is one direction, and
            learning them well may leave no other, which is no fault. Four turns are told apart by three.
    """

    learn: Callable[[Task], Learnt]
    citation: str
    validates: bool
    least_rank: float


METHODS: dict[str, Method] = {
    "supervised": Method(supervised.learn, supervised.CITATION, True, 0.0),
    "rotation": Method(rotation.learn, rotation.CITATION, True, ONE_DIRECTION),
    "simclr": Method(simclr.learn, simclr.CITATION, False, ONE_DIRECTION),
    "vicreg": Method(vicreg.learn, vicreg.CITATION, False, ONE_DIRECTION),
}
