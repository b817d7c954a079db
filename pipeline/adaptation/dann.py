"""DANN: adversarial training of the bottleneck against a domain discriminator.

Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand and Lempitsky, Domain-Adversarial Training of Neural
Networks, JMLR 2016.
"""

from typing import Any

import keras
from keras import ops

from pipeline.adaptation.alignment import Pair, prepare_with
from pipeline.adaptation.problem import Adapter, Source
from pipeline.config.schema import Adapt


def reverse_gradient(x: Any, strength: Any) -> Any:
    """The identity forwards; backwards the gradient times -strength."""
    return ops.stop_gradient((1 + strength) * x) - strength * x


class Discriminator(keras.layers.Layer):
    """Domain classifier behind a gradient reversal layer, with a hidden layer as wide as the features.

    Called on a pair: its binary cross-entropy, a scalar.
    """

    def __init__(self, width: int):
        super().__init__(dtype="float32", name="discriminator")
        self.hidden = keras.layers.Dense(width, activation="relu", dtype="float32", name="hidden")
        self.domain = keras.layers.Dense(1, dtype="float32", name="domain")
        for layer in (self.hidden, self.domain):  # at once: the optimizer wants all weights before the first batch
            layer.build((None, width))
        self.built = True

    def call(self, pair: Pair) -> Any:
        features = ops.concatenate([pair.source, pair.target])
        logits = self.domain(self.hidden(reverse_gradient(features, pair.strength)))[:, 0]
        count = pair.source.shape[0]
        truth = ops.concatenate([ops.zeros((count,)), ops.ones((count,))])
        return ops.mean(keras.losses.binary_crossentropy(truth[:, None], logits[:, None], from_logits=True))


def prepare(source: Source, settings: Adapt) -> Adapter:
    """A discriminator as wide as the bottleneck; the strength scales the reversed gradient."""
    return prepare_with(Discriminator(settings.bottleneck))(source, settings)
