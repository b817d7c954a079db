"""Pseudo-labels: train on the network's own predictions for the target.

Lee, Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks, ICML Workshops
2013.
"""

from typing import Any

import keras
from keras import ops

from pipeline.adaptation.alignment import Pair, prepare_with, scaled


def pseudo_label_loss(pair: Pair) -> Any:
    """Cross-entropy of the target's logits against their own argmax, a scalar."""
    answers = ops.stop_gradient(ops.argmax(pair.target_logits, axis=1))
    return ops.mean(keras.losses.sparse_categorical_crossentropy(answers, pair.target_logits, from_logits=True))


prepare = prepare_with(scaled(pseudo_label_loss))
