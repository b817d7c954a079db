"""Two classes of features, and a target whose features are the source's turned, stretched and moved."""

import keras
import numpy as np

from pipeline.adaptation.linear import fit_linear
from pipeline.adaptation.problem import Images, Labelled, Source
from pipeline.config.schema import Adapt
from pipeline.networks.heads import build_head

SETTINGS = Adapt(
    methods=["coral"],
    criterion="information",
    strength=[1.0],
    bottleneck=8,
    learning_rate=1e-2,
    epochs=12,
    batch_size=32,
    weight_decay=1e-4,
)


def labelled(features, labels, weights=None):
    weights = np.ones(len(labels)) if weights is None else weights
    return Labelled(features.astype("float32"), labels, weights / weights.mean())


def images(features):
    """Images that have features only."""
    return Images(features.astype("float32"), lambda positions, views: None, np.arange(len(features)))


def sample(count, seed):
    """Features (count, 3): the class lies along the first, which varies most."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=count)
    features = rng.normal(size=(count, 3)) * [1.0, 0.5, 0.2]
    features[:, 0] += 6 * labels - 3
    return features, labels


def source_of(train, validation):
    """A source of no network whose head was fitted to its features."""
    fitted = fit_linear(labelled(*train), labelled(*validation))
    head = build_head(train[0].shape[1], 2, 0.0, 0.0)
    kernel = fitted.model.coef_[0] / fitted.spread
    bias = fitted.model.intercept_[0] - fitted.mean @ kernel
    head.set_weights([np.stack([0 * kernel, kernel], 1), np.array([0, bias])])
    network = keras.Sequential([keras.Input((3,))])
    return Source(network, head, labelled(*train), labelled(*validation))


def shifted_source(count=400):
    """A source, the target's features (count, 3) and their labels, which are for the test alone."""
    features, labels = sample(count, 3)
    return source_of(sample(300, 1), sample(100, 2)), features * [0.5, 1.5, 1.0] + [4.0, 1.0, 0.0], labels


def accuracy(probabilities, labels):
    return (probabilities.argmax(1) == labels).mean()
