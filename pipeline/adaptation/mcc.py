"""MCC: minimise the confusion between classes on the target.

Jin, Wang, Long and Wang, Minimum Class Confusion for Versatile Domain Adaptation, ECCV 2020, equations 2 to 6.
"""

from typing import Any

from keras import ops

from pipeline.adaptation.alignment import Pair, prepare_with, scaled

TEMPERATURE = 2.5  # the paper's
TINY = 1e-12  # keeps the logarithm of a vanishing probability finite


def confusion_loss(pair: Pair) -> Any:
    """The mean over classes of the share of other classes in a class's confusion, a scalar of 0..1."""
    predicted = ops.softmax(pair.target_logits / TEMPERATURE, axis=1)
    entropy = -ops.sum(predicted * ops.log(predicted + TINY), axis=1)
    certainty = 1 + ops.exp(-entropy)
    weights = ops.stop_gradient(certainty / ops.mean(certainty))
    confusion = ops.matmul(ops.transpose(predicted * weights[:, None]), predicted)
    confusion = confusion / ops.sum(confusion, axis=1, keepdims=True)
    return (ops.sum(confusion) - ops.trace(confusion)) / predicted.shape[1]


prepare = prepare_with(scaled(confusion_loss))
