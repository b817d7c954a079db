"""Early stopping on the validation loss: when a fit ends, and which epoch's weights it keeps."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

TOLERANCE = 0.01  # relative improvement of the validation loss in the last quarter below which a fit has converged


@dataclass
class EarlyStopping:
    """Ends a fit after `patience` epochs without a lower validation loss, or after `epochs`.

    Keeps the epoch of the lowest loss, or the last one, as `keep` says. Epoch 0 is the untrained network. It is never
    preferred to a trained one: on a few dozen images its uncertain outputs may have the lowest loss.
    """

    epochs: int
    patience: int
    keep: Literal["best", "last"]
    losses: list[float] = field(default_factory=list)
    best_epoch: int = 0
    kept_epoch: int = 0
    ended: bool = False

    def update(self, loss: float) -> bool:
        """Record the validation loss of the next epoch, from 0 on; returns whether to keep its weights."""
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

    Either early stopping ended it, or the best loss in the last quarter of its epochs is at most 1 % lower than the
    best before (epoch 0, the untrained network, does not count). Under a decaying learning rate this means that the
    budget was used up, not that a longer one would reach the same loss.
    """
    epochs = len(losses) - 1
    quarter = epochs // 4
    if epochs - (1 + int(np.argmin(losses[1:]))) >= patience:
        return True
    if quarter == 0:
        return False
    return min(losses[-quarter:]) >= (1 - TOLERANCE) * min(losses[1:-quarter])
