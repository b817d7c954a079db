"""A network as the TensorFlow function that converters take: uint8 "image" to "probabilities"."""

from typing import Any


def served(model: Any) -> tuple[Any, Any]:
    """The function, and the type of its input, images (n, s, s, 3) of any n."""
    import tensorflow as tf

    taken = tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8, name=model.input.name)
    return tf.function(lambda image: {"probabilities": model(image, training=False)}, input_signature=[taken]), taken
