"""Ways to fine-tune: what each means for the learning rates of blocks epoch by epoch, and for the penalty.

Blocks are told by their depth below the head: 0 is the head, 1 the topmost block of the backbone, and so on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import keras
import numpy as np

from pipeline.networks.freezing import blocks


@dataclass(frozen=True)
class Method:
    """A row of METHODS and its settings (tune.layer_decay, tune.l2_sp)."""

    name: str = "joint"
    layer_decay: float = 1.0
    l2_sp: float = 0.0

    def multipliers(self, depth: np.ndarray, epoch: int, epochs: int) -> np.ndarray:
        """What the learning rate of variables of these depths (n,) is multiplied by in an epoch of 1..epochs: (n,)."""
        return METHODS[self.name].multipliers(self, depth, epoch, epochs)

    @property
    def pull(self) -> float:
        """How strongly the gradient draws weights back to the source's, and those of the head to 0."""
        return self.l2_sp if METHODS[self.name].pulls else 0.0

    @property
    def decays(self) -> bool:
        """Whether weight decay applies: what draws weights to the source's takes the place of what draws them to 0."""
        return not METHODS[self.name].pulls


class Rule(NamedTuple):
    """`multipliers`: of a method, depths (n,), the epoch and their number."""

    multipliers: Callable[[Method, np.ndarray, int, int], np.ndarray]
    pulls: bool = False


def _equal(method: Method, depth: np.ndarray, epoch: int, epochs: int) -> np.ndarray:
    return np.ones(len(depth))


def _from_the_top(method: Method, depth: np.ndarray, epoch: int, epochs: int) -> np.ndarray:
    """One more block an epoch; several where else the lowest were still frozen in the second half of the epochs."""
    deepest = int(depth.max(initial=0))
    blocks_an_epoch = -(-deepest // max(epochs // 2, 1))
    return (depth <= epoch * blocks_an_epoch).astype("float64")


def _falling(method: Method, depth: np.ndarray, epoch: int, epochs: int) -> np.ndarray:
    return method.layer_decay ** depth.astype("float64")


METHODS: dict[str, Rule] = {
    "joint": Rule(_equal),
    # gradual unfreezing and discriminative fine-tuning: Howard and Ruder, ACL 2018, sections 3.3 and 3.2
    "gradual": Rule(_from_the_top),
    "layerwise": Rule(_falling),
    # L2-SP: Li, Grandvalet and Davoine, ICML 2018, equation 3
    "l2_sp": Rule(_equal, pulls=True),
}

JOINT = Method()


def variable_depths(trained: keras.Model, backbone: keras.Model) -> np.ndarray:
    """The depth below the head of every trainable variable of a network that has layers of the backbone: int (n,)."""
    parts = blocks(backbone)
    depth_of = {layer: len(parts) - index for index, part in enumerate(parts) for layer in part.layers}
    found = {id(v): depth_of.get(layer.name, 0) for layer in trained.layers for v in layer.trainable_variables}
    return np.array([found[id(variable)] for variable in trained.trainable_variables], dtype="int64")
