"""Early stopping: when a fit ends and which epoch's weights it keeps, by its validation losses."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

REST = 0.01  # relative improvement of the validation loss in the last quarter below which a fit is at rest


@dataclass
class EarlyStopping:
    """Ends a fit after `patience` epochs without a lower validation loss, or after `epochs`.

    Kept is the epoch of the lowest loss, or the last where `keep` says so. Epoch 0 is the network before training. It
    is never chosen over a trained one: on a few dozen images unsure outputs may well have the lowest loss.
    """

    epochs: int
    patience: int
    keep: Literal["best", "last"]
    losses: list[float] = field(default_factory=list)
    best_epoch: int = 0
    kept_epoch: int = 0
    ended: bool = False

    def update(self, loss: float) -> bool:
        """Take the validation loss of the next epoch, from 0 on; returns whether its weights are the ones to keep."""
        epoch = len(self.losses)
        self.losses.append(loss)
        if epoch <= 1 or loss < self.losses[self.best_epoch]:
            self.best_epoch = epoch
        self.ended = epoch == self.epochs or epoch - self.best_epoch >= self.patience
        if self.best_epoch == epoch or (self.ended and self.keep == "last"):
            self.kept_epoch = epoch
        return self.kept_epoch == epoch


def stopped_improving(losses: list[float], patience: int) -> bool:
    """Whether a fit had converged when it ended, by its validation losses from epoch 0 on.

    Either its last `patience` epochs were not better than what came before; or it ran to its end, and the best of the
    last quarter of its epochs is not more than 1 % better than the best epoch before it (the untrained network is
    none). Where the learning rate falls to 0, this says that this budget was used up, not that a longer one would have
    come to the same.
    """
    epochs = len(losses) - 1
    quarter = epochs // 4
    if epochs - int(np.argmin(losses)) >= patience:
        return True
    if quarter == 0:
        return False
    return min(losses[-quarter:]) >= (1 - REST) * min(losses[1:-quarter])
