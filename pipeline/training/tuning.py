"""Fine-tuning methods: learning-rate multipliers by block and epoch, weight decay, L2-SP.

Depth counts blocks below the head: 0 is the head, 1 the topmost block of the backbone, and so on.
"""

from dataclasses import dataclass

import keras
import numpy as np

from pipeline.networks.freezing import blocks
from pipeline.registry.tuning import TUNING
from pipeline.store.places import load


@dataclass(frozen=True)
class TuningMethod:
    """A registered fine-tuning method and its settings (tune.layer_decay, tune.l2_sp)."""

    name: str = "joint"
    layer_decay: float = 1.0
    l2_sp: float = 0.0

    def multipliers(self, depth: np.ndarray, epoch: int, epochs: int) -> np.ndarray:
        """Learning-rate multipliers (n,) for variables of these depths (n,) in an epoch of 1..epochs."""
        found: np.ndarray = load(TUNING[self.name].multipliers)(self, depth, epoch, epochs)
        return found

    @property
    def pull(self) -> float:
        """Strength of the L2 penalty towards the source's weights, and towards 0 for the head."""
        return self.l2_sp if TUNING[self.name].anchored else 0.0

    @property
    def decays(self) -> bool:
        """Whether weight decay applies: L2-SP replaces it."""
        return not TUNING[self.name].anchored


JOINT = TuningMethod()


def one_rate(method: TuningMethod, depth: np.ndarray, epoch: int, epochs: int) -> np.ndarray:
    """All blocks at the same learning rate."""
    return np.ones(len(depth))


def unfreezing_from_the_top(method: TuningMethod, depth: np.ndarray, epoch: int, epochs: int) -> np.ndarray:
    """Gradual unfreezing, one more block an epoch (Howard and Ruder, ACL 2018, section 3.3).

    Several blocks an epoch where needed to have all unfrozen by half of the epochs.
    """
    deepest = int(depth.max(initial=0))
    blocks_an_epoch = -(-deepest // max(epochs // 2, 1))
    return (depth <= epoch * blocks_an_epoch).astype("float64")


def falling_with_depth(method: TuningMethod, depth: np.ndarray, epoch: int, epochs: int) -> np.ndarray:
    """Discriminative fine-tuning: a block's rate is `layer_decay` times that of the block above (same paper, 3.2)."""
    return method.layer_decay ** depth.astype("float64")


def variable_depths(trained: keras.Model, backbone: keras.Model) -> np.ndarray:
    """The depth of every trainable variable of a network built on layers of the backbone: int (variables,)."""
    parts = blocks(backbone)
    depth_of = {layer: len(parts) - index for index, part in enumerate(parts) for layer in part.layers}
    found = {id(v): depth_of.get(layer.name, 0) for layer in trained.layers for v in layer.trainable_variables}
    return np.array([found[id(variable)] for variable in trained.trainable_variables], dtype="int64")
