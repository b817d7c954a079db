"""Networks that are trained no more, as functions of batches: their weights are constants.

With constants TensorFlow folds batch normalization into the convolutions before it, and oneDNN reorders their filters
once instead of in every batch: on 160 to 224 pixels 1.4 to 1.6 times Keras' `predict` (benchmarks/extraction.py).
Features differ by rounding, about 1e-6 of their scale.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

Predictor = Callable[[np.ndarray], np.ndarray]


def predictor(model: keras.Model) -> Predictor:
    """The function (inputs (n, ...)) -> outputs (n, ...) of a network of one output as it is now, in inference.

    It can be called in several threads at once. Later changes of the weights do not reach it.
    """
    if keras.backend.backend() != "tensorflow":
        return lambda inputs: np.asarray(model.predict_on_batch(inputs))
    import tensorflow as tf

    state = [
        [keras.ops.convert_to_numpy(variable) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    @tf.function(reduce_retracing=True)
    def call(inputs: Any) -> Any:
        constants = [[tf.constant(value) for value in values] for values in state]
        outputs, _ = model.stateless_call(*constants, inputs, training=False)
        return outputs

    return lambda inputs: np.asarray(call(tf.constant(inputs)))
