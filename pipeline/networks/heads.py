"""The classifier on a backbone (pooling, dropout, a dense layer), and the precision of a loaded network."""

import keras


def build_head(features: int, classes: int, dropout: float, l2: float) -> keras.Model:
    """Build a head: features (n, features) to probabilities (n, classes), float32 also under mixed precision."""
    inputs = keras.Input((features,), name="features")
    x = keras.layers.Dropout(dropout, name="dropout")(inputs)
    penalty = keras.regularizers.L2(l2) if l2 else None
    x = keras.layers.Dense(classes, activation="softmax", kernel_regularizer=penalty, dtype="float32", name="probs")(x)
    return keras.Model(inputs, x, name="head")


def with_head(body: keras.Model, head: keras.Model) -> keras.Model:
    """Add global average pooling and a head to a network that ends in a feature map (n, h, w, c)."""
    pooled = keras.layers.GlobalAveragePooling2D(name="pool", dtype="float32")(body.output)
    return keras.Model(body.input, head(pooled), name="classifier")


def set_precision(model: keras.Model) -> None:
    """Set a loaded network to the global dtype policy; a saved model carries the one it was built under."""
    policy = keras.config.dtype_policy()
    for layer in model.layers:
        if layer.dtype_policy.compute_dtype != policy.compute_dtype:
            layer.dtype_policy = policy
