"""The small network that the loss-based methods train on fixed features: a bottleneck and a head.

Its loss is the cross-entropy of the labelled source images plus a pull that a method defines on both domains. It is
compiled once a method; a fold or a strength begins with new weights and no memory in the optimizer.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from pipeline.adaptation.features import centre_and_spread
from pipeline.adaptation.problem import Adapted, Adapter, Images, Source
from pipeline.config.schema import Adapt
from pipeline.networks.flops import GIGA
from pipeline.store.probabilities import normalised


class Pair(NamedTuple):
    """One batch of each domain: bottleneck features (b, e) and logits (b, k); `strength` is a scalar tensor."""

    source: Any
    target: Any
    source_logits: Any
    target_logits: Any
    strength: Any


Pull = Callable[[Pair], Any]  # a scalar tensor that is added to the loss; a keras.Layer may have weights of its own


def scaled(loss: Callable[[Pair], Any]) -> Pull:
    """Weigh a method's loss by the strength."""
    return lambda pair: pair.strength * loss(pair)


class Aligned(keras.Model):
    """Features (n, d) to bottleneck features (n, e) and logits (n, k).

    In training a batch is a half of source images and a half of target images, stacked; y is labels (n,), weights (n,)
    and strength (n,), of which the target's half is never read.
    """

    def __init__(self, bottleneck: int, classes: int, pull: Pull):
        super().__init__(dtype="float32", name="aligned")
        self.bottleneck = keras.layers.Dense(bottleneck, activation="relu", dtype="float32", name="bottleneck")
        self.head = keras.layers.Dense(classes, dtype="float32", name="logits")
        self.pull = pull

    def call(self, inputs: Any) -> tuple[Any, Any]:
        embedded = self.bottleneck(inputs)
        return embedded, self.head(embedded)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Weighted cross-entropy of the source's half, and the pull."""
        labels, weights, strength = y
        embedded, logits = y_pred
        half = logits.shape[0] // 2
        entropy = keras.losses.sparse_categorical_crossentropy(labels[:half], logits[:half], from_logits=True)
        pair = Pair(embedded[:half], embedded[half:], logits[:half], logits[half:], strength[0])
        return ops.mean(entropy * weights[:half]) + self.pull(pair)


class Trainer:
    """One method's network, compiled once; `train` starts it afresh."""

    def __init__(self, source: Source, settings: Adapt, pull: Pull):
        self.source, self.settings = source, settings
        self.mean, self.scale = centre_and_spread(source.train.features)
        self.size = min(settings.batch_size, len(source.train.features))
        self.model = Aligned(settings.bottleneck, source.classes, pull)
        self._build(source.train.features.shape[1])

    def _build(self, features: int) -> None:
        self.model(np.zeros((2 * self.size, features), "float32"))
        optimizer = keras.optimizers.AdamW(self.settings.learning_rate, weight_decay=self.settings.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        optimizer.build(self.model.trainable_variables)
        self.model.compile(optimizer, jit_compile=keras.backend.backend() == "jax")
        self.fresh = [np.array(ops.convert_to_numpy(variable)) for variable in optimizer.variables]

    def _reset(self, seed: int) -> None:
        """Weights after Glorot and Bengio (2010), zero biases, and an optimizer that has seen nothing."""
        rng = np.random.default_rng(seed)
        for variable in self.model.trainable_variables:
            limit = np.sqrt(6 / sum(variable.shape)) if len(variable.shape) == 2 else 0.0
            variable.assign(rng.uniform(-limit, limit, variable.shape))
        for variable, value in zip(self.model.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)

    def train(self, target: np.ndarray, strength: float, seed: int) -> list[np.ndarray]:
        """Train on the source's labelled and the target's unlabelled features (m, d); returns the weights.

        An epoch goes once through the source. The strength rises from 0 over the training as in Ganin et al. 2016, so
        that a network that knows nothing yet is not pulled about.
        """
        self._reset(seed)
        rng = np.random.default_rng(seed)
        source, size = self.source.train, self.size
        own, other = self.scaled(source.features), self.scaled(target)
        steps = self.settings.epochs * (len(own) // size)
        mine = _batches(rng, len(own), size, steps)
        theirs = _batches(rng, len(other), size, steps)
        filler = np.zeros(size)
        for step in range(steps):
            chosen = mine[step]
            inputs = np.concatenate([own[chosen], other[theirs[step]]])
            labels = np.concatenate([source.labels[chosen], filler]).astype("int32")
            weights = np.concatenate([source.weights[chosen], filler]).astype("float32")
            strengths = np.full(2 * size, strength * rise(step / steps), "float32")
            self.model.train_on_batch(inputs, (labels, weights, strengths))
        return self.model.get_weights()

    def adapted(self, weights: list[np.ndarray]) -> Adapted:
        """The network under the weights of a training: the bottleneck's features, of both domains, and the head."""

        def embedded(features: np.ndarray) -> np.ndarray:
            self.model.set_weights(weights)
            return np.asarray(ops.convert_to_numpy(self.model.bottleneck(self.scaled(features))))

        def head(features: np.ndarray) -> np.ndarray:
            self.model.set_weights(weights)
            return normalised(ops.convert_to_numpy(ops.softmax(self.model.head(features))))

        forward = self.forward_flops() / GIGA
        backward = 2 * forward  # for the gradients of inputs and of weights
        return Adapted(lambda images: embedded(images.features), embedded, head, forward + backward, backward)

    def scaled(self, features: np.ndarray) -> np.ndarray:
        """Centre by the source's mean and divide by its spread, for both domains alike."""
        return ((features - self.mean) / self.scale).astype("float32")

    def forward_flops(self) -> float:
        """Operations of one training's forward passes, 2 a weight and image; the pull's own are left out."""
        weights = sum(int(np.prod(variable.shape)) for variable in self.model.trainable_variables)
        steps = self.settings.epochs * (len(self.source.train.features) // self.size)
        return 2.0 * weights * steps * 2 * self.size


def prepare_with(pull: Pull) -> Callable[[Source, Adapt], Adapter]:
    """The `prepare` of a method that is a pull on the bottleneck network."""

    def prepare(source: Source, settings: Adapt) -> Adapter:
        trainer = Trainer(source, settings, pull)

        def adapt(target: Images, strength: float, seed: int) -> Adapted:
            return trainer.adapted(trainer.train(target.features, strength, seed))

        return adapt

    return prepare


def rise(progress: float) -> float:
    """From 0 at progress 0 to nearly 1 at 1 (Ganin et al. 2016, section 5.2.2)."""
    return float(2 / (1 + np.exp(-10 * progress)) - 1)


def _batches(rng: np.random.Generator, images: int, size: int, steps: int) -> np.ndarray:
    """Places (steps, size), one shuffled order after another."""
    orders = [rng.permutation(images) for _ in range(-(-steps * size // images))]
    return np.concatenate(orders)[: steps * size].reshape(steps, size)
