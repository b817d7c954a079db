"""A source and a target with a single feature, for tests of adaptation methods and criteria."""

import numpy as np

from pipeline.adaptation.choice import Chosen, Parts, choose
from pipeline.adaptation.problem import Adapted, Images, Labelled, Source
from pipeline.config.schema import Adapt
from pipeline.networks.heads import build_head


def settings(**changes: object) -> Adapt:
    """The section `adapt` of params.yaml."""
    values: dict[str, object] = {"methods": ["coral"], "criterion": "entropy", "strength": [1.0], "bottleneck": 8}
    values |= {"learning_rate": 1e-2, "epochs": 1, "batch_size": 8, "weight_decay": 0.0}
    return Adapt(**values | changes)


def sign(images: int) -> np.ndarray:
    """A feature (n, 1) that equals the label: -1 or 1."""
    return np.where(np.arange(images) % 2, 1.0, -1.0)[:, None]


def target(images: int) -> Images:
    return Images(sign(images), lambda positions, views: np.zeros(0), np.arange(images))


def by_sign(sureness: float) -> Adapted:
    """A network that is always right, with probability `sureness` in 0.5..1."""

    def head(features: np.ndarray) -> np.ndarray:
        second = np.where(features[:, 0] > 0, sureness, 1 - sureness)
        return np.stack([1 - second, second], axis=1)

    return Adapted(lambda images: images.features, lambda features: features, head, gflops=1.0)


def chosen_by(asked: Adapt) -> Chosen:
    """Adapt on one fold by the settings; the source's own head has random weights."""
    labels = (sign(20)[:, 0] > 0).astype(int)
    own = Labelled(sign(20).astype("float32"), labels, np.ones(20))
    source = Source(None, build_head(1, 2, 0.0, 0.0), own, own)
    (chosen,) = choose(source, [Parts(target(20), target(10), target(10))], asked, lambda fold, method: 1)
    return chosen
