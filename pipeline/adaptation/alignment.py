"""The bottleneck network of the loss-based methods: a hidden layer and a head, trained on fixed features.

Its loss is the cross-entropy on labelled source images plus an alignment loss of the method on both domains. It is
compiled once a method; every fold and strength starts from new weights and a reset optimizer.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from pipeline.adaptation.problem import Adapted, Adapter, Images, Source, centre_and_spread
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


AlignmentLoss = Callable[[Pair], Any]  # a scalar tensor; a keras.Layer may have weights of its own


def scaled(loss: Callable[[Pair], Any]) -> AlignmentLoss:
    """Multiply a loss by the strength."""
    return lambda pair: pair.strength * loss(pair)


class Aligned(keras.Model):
    """Map features (n, d) to bottleneck features (n, e) and logits (n, k).

    A training batch stacks a half of source images and a half of target images; y is labels (n,), weights (n,) and
    strength (n,), whose target half is ignored.
    """

    def __init__(self, bottleneck: int, classes: int, alignment_loss: AlignmentLoss):
        super().__init__(dtype="float32", name="aligned")
        self.bottleneck = keras.layers.Dense(bottleneck, activation="relu", dtype="float32", name="bottleneck")
        self.head = keras.layers.Dense(classes, dtype="float32", name="logits")
        self.alignment_loss = alignment_loss

    def call(self, inputs: Any) -> tuple[Any, Any]:
        embedded = self.bottleneck(inputs)
        return embedded, self.head(embedded)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Weighted cross-entropy of the source half plus the alignment loss."""
        labels, weights, strength = y
        embedded, logits = y_pred
        half = logits.shape[0] // 2
        entropy = keras.losses.sparse_categorical_crossentropy(labels[:half], logits[:half], from_logits=True)
        pair = Pair(embedded[:half], embedded[half:], logits[:half], logits[half:], strength[0])
        return ops.mean(entropy * weights[:half]) + self.alignment_loss(pair)


class Trainer:
    """The network of one method, compiled once; every `train` starts from new weights."""

    def __init__(self, source: Source, settings: Adapt, alignment_loss: AlignmentLoss):
        self.source, self.settings = source, settings
        self.mean, self.scale = centre_and_spread(source.train.features)
        self.size = min(settings.batch_size, len(source.train.features))
        self.model = Aligned(settings.bottleneck, source.classes, alignment_loss)
        self.model(np.zeros((2 * self.size, source.train.features.shape[1]), "float32"))
        optimizer = keras.optimizers.AdamW(settings.learning_rate, weight_decay=settings.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        optimizer.build(self.model.trainable_variables)
        self.model.compile(optimizer, jit_compile=keras.backend.backend() == "jax")
        self.fresh = [np.array(ops.convert_to_numpy(variable)) for variable in optimizer.variables]

    def _reset(self, seed: int) -> None:
        """Reset the weights (Glorot and Bengio 2010; zero biases) and the optimizer."""
        rng = np.random.default_rng(seed)
        for variable in self.model.trainable_variables:
            limit = np.sqrt(6 / sum(variable.shape)) if len(variable.shape) == 2 else 0.0
            variable.assign(rng.uniform(-limit, limit, variable.shape))
        for variable, value in zip(self.model.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)

    def train(self, target: np.ndarray, strength: float, seed: int) -> list[np.ndarray]:
        """Train on labelled source features and unlabelled target features (m, d); returns the weights.

        An epoch is one pass over the source. The strength rises from 0 during training as in Ganin et al. 2016.
        """
        self._reset(seed)
        rng = np.random.default_rng(seed)
        source, size = self.source.train, self.size
        own, other = self.scaled(source.features), self.scaled(target)
        steps = self.settings.epochs * (len(own) // size)
        own_batches, other_batches = (_batches(rng, len(features), size, steps) for features in (own, other))
        filler = np.zeros(size)
        for step, (chosen, unlabelled) in enumerate(zip(own_batches, other_batches, strict=True)):
            inputs = np.concatenate([own[chosen], other[unlabelled]])
            labels = np.concatenate([source.labels[chosen], filler]).astype("int32")
            weights = np.concatenate([source.weights[chosen], filler]).astype("float32")
            strengths = np.full(2 * size, strength * rise(step / steps), "float32")
            self.model.train_on_batch(inputs, (labels, weights, strengths))
        return self.model.get_weights()

    def adapted(self, weights: list[np.ndarray]) -> Adapted:
        """The trained network as an adapted source, given its weights."""

        def embedded(features: np.ndarray) -> np.ndarray:
            self.model.set_weights(weights)
            return np.asarray(ops.convert_to_numpy(self.model.bottleneck(self.scaled(features))))

        def head(features: np.ndarray) -> np.ndarray:
            self.model.set_weights(weights)
            return normalised(ops.convert_to_numpy(ops.softmax(self.model.head(features))))

        forward = self.forward_flops() / GIGA
        backward = 2 * forward  # gradients of inputs and of weights
        return Adapted(lambda images: embedded(images.features), embedded, head, forward + backward, backward)

    def scaled(self, features: np.ndarray) -> np.ndarray:
        """Features of either domain, centred and scaled by the source's mean and spread."""
        return ((features - self.mean) / self.scale).astype("float32")

    def forward_flops(self) -> float:
        """FLOPs of the forward passes of one training, 2 a weight and image; without those of the alignment loss."""
        weights = sum(int(np.prod(variable.shape)) for variable in self.model.trainable_variables)
        steps = self.settings.epochs * (len(self.source.train.features) // self.size)
        return 2.0 * weights * steps * 2 * self.size


def prepare_with(alignment_loss: AlignmentLoss) -> Callable[[Source, Adapt], Adapter]:
    """The `prepare` of a method that is defined by its alignment loss."""

    def prepare(source: Source, settings: Adapt) -> Adapter:
        trainer = Trainer(source, settings, alignment_loss)

        def adapt(target: Images, strength: float, seed: int) -> Adapted:
            return trainer.adapted(trainer.train(target.features, strength, seed))

        return adapt

    return prepare


def rise(progress: float) -> float:
    """The schedule of the strength: 0 at progress 0, nearly 1 at 1 (Ganin et al. 2016, section 5.2.2)."""
    return float(2 / (1 + np.exp(-10 * progress)) - 1)


def _batches(rng: np.random.Generator, images: int, size: int, steps: int) -> np.ndarray:
    """Indices (steps, size) of successive shuffles."""
    orders = [rng.permutation(images) for _ in range(-(-steps * size // images))]
    return np.concatenate(orders)[: steps * size].reshape(steps, size)
