"""Fused layers against Keras' own: outputs, gradients and statistics, then weights after many steps."""

import keras
import numpy as np
import pytest

from pipeline.networks.architectures import build_backbone
from pipeline.networks.freezing import cut_layer, set_trainable, split_at
from pipeline.networks.fused import FusedBatchNormalization, FusedDepthwiseConv2D, copy_state, training_twin
from pipeline.networks.graph import flat_layers
from pipeline.networks.heads import build_head, with_head
from pipeline.networks.saving import load_model, save_model
from pipeline.training.compile_cache import compiled_twin
from pipeline.training.fit import Plan

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="fused layers are TensorFlow's")
PLAN = Plan(1e-3, 1, 1, 8, "constant", 0.0, 1e-4, 1)
DEPTHWISE = [(5, 1), (5, 2), (5, 3), (5, 5), (5, 10), (7, 7), (6, 5), (4, 4)]  # kernel, side


def double(model: keras.Model, layer: type[keras.Layer]) -> keras.Model:
    """A copy in float64 of Keras' own layers, as the oracle."""

    def plain(own: keras.Layer) -> keras.Layer:
        return layer.from_config(own.get_config() | {"dtype": "float64"}) if isinstance(own, layer) else own

    copy = keras.models.clone_model(model, clone_function=plain)
    copy.set_weights([weight.astype("float64") for weight in model.get_weights()])
    return copy


def pass_through(model: keras.Model, inputs: np.ndarray, change: np.ndarray) -> list[np.ndarray]:
    """Outputs in training, gradients of the inputs and of the trainable weights, and all weights afterwards."""
    x = tf.constant(inputs, model.input.dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = model(x, training=True)
    wanted = [x, *(variable.value for variable in model.trainable_variables)]
    gradients = tape.gradient(outputs, wanted, output_gradients=tf.constant(change, outputs.dtype))
    return [np.asarray(part) for part in (outputs, *gradients)] + model.get_weights()


def assert_exact(model: keras.Model, layer: type[keras.Layer], inputs: np.ndarray, change: np.ndarray) -> None:
    """A twin is Keras' layer in float64 to 1e-6 of each array's scale, or as near as Keras' own in float32 is.

    The latter where a batch is so small that its variance may vanish, which blows rounding up.
    """
    twin = training_twin(model, "fused")
    copy_state(model, twin)
    exact, plain = double(model, layer), training_twin(model, "keras")
    copy_state(model, plain)
    passed = (pass_through(network, inputs, change) for network in (twin, plain, exact))
    for fused, single, truth in zip(*passed, strict=True):
        allowed = 1e-6 * max(1.0, np.abs(truth).max())
        np.testing.assert_allclose(fused, truth, rtol=0, atol=max(allowed, 3 * np.abs(single - truth).max()))


@pytest.mark.parametrize("shape", [(8, 5, 5, 3), (2, 1, 1, 4), (32, 7, 3, 6), (1, 1, 1, 2)])
@pytest.mark.parametrize("epsilon", [1e-3, 1e-5])
def test_batch_normalization_is_that_of_keras(shape, epsilon):
    rng = np.random.default_rng(1)
    pixels = keras.Input(shape[1:])
    keras.utils.set_random_seed(3)
    model = keras.Model(pixels, keras.layers.BatchNormalization(epsilon=epsilon, momentum=0.9)(pixels))
    model.set_weights([rng.uniform(0.5, 2, weight.shape).astype("float32") for weight in model.get_weights()])
    twin = training_twin(model, "fused")
    copy_state(model, twin)
    assert any(isinstance(layer, FusedBatchNormalization) for layer in twin.layers)
    inputs, change = rng.normal(3, 2, shape).astype("float32"), rng.normal(size=shape).astype("float32")
    exact = double(model, keras.layers.BatchNormalization)
    np.testing.assert_allclose(twin(inputs, training=False), exact(inputs, training=False), rtol=0, atol=5e-6)
    assert_exact(model, keras.layers.BatchNormalization, inputs, change)


@pytest.mark.parametrize(("kernel", "side"), DEPTHWISE)
def test_depthwise_convolution_is_that_of_keras(kernel, side):
    rng = np.random.default_rng(kernel + side)
    pixels = keras.Input((side, side, 6))
    layer = keras.layers.DepthwiseConv2D(kernel, padding="same", use_bias=False)
    model = keras.Model(pixels, layer(pixels))
    assert any(isinstance(own, FusedDepthwiseConv2D) for own in training_twin(model, "fused").layers)
    inputs, change = (rng.normal(size=(4, side, side, 6)).astype("float32") for _ in range(2))
    assert_exact(model, keras.layers.DepthwiseConv2D, inputs, change)


def test_maps_that_are_not_square_have_their_gradient_too():
    pixels = keras.Input((4, 9, 3))
    model = keras.Model(pixels, keras.layers.DepthwiseConv2D((5, 7), padding="same", use_bias=False)(pixels))
    rng = np.random.default_rng(0)
    inputs, change = (rng.normal(size=(3, 4, 9, 3)).astype("float32") for _ in range(2))
    assert_exact(model, keras.layers.DepthwiseConv2D, inputs, change)


UNSERVED = {
    "no scale": lambda: keras.layers.BatchNormalization(scale=False),
    "another axis": lambda: keras.layers.BatchNormalization(axis=1),
    "a bias": lambda: keras.layers.DepthwiseConv2D(5, padding="same"),
    "an activation": lambda: keras.layers.DepthwiseConv2D(5, padding="same", use_bias=False, activation="relu"),
    "dilation": lambda: keras.layers.DepthwiseConv2D(5, padding="same", use_bias=False, dilation_rate=2),
    "two filters": lambda: keras.layers.DepthwiseConv2D(5, padding="same", use_bias=False, depth_multiplier=2),
    "strides": lambda: keras.layers.DepthwiseConv2D(5, strides=2, padding="same", use_bias=False),
    "a small filter": lambda: keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False),
    "no padding": lambda: keras.layers.DepthwiseConv2D(5, use_bias=False),
    "half precision": lambda: keras.layers.BatchNormalization(dtype="mixed_bfloat16"),
    "renormalization": lambda: keras.layers.BatchNormalization(renorm=True),
}


@pytest.mark.parametrize("layer", UNSERVED.values(), ids=UNSERVED)
def test_what_fused_layers_do_not_compute_stays_keras(layer):
    pixels = keras.Input((6, 6, 4))
    model = keras.Model(pixels, layer()(pixels))
    twin = training_twin(model, "fused")
    assert [type(own) for own in twin.layers] == [type(own) for own in model.layers]


def networks():
    """A network trained whole, one with pooling, and the top of one whose batch normalization is frozen."""
    keras.utils.set_random_seed(5)
    whole = build_backbone("efficientnet_lite0", 64, 5, None)
    frozen = build_backbone("efficientnet_lite0", 64, 5, None)
    cut = cut_layer(frozen, 4)
    set_trainable(frozen, cut, "frozen")
    _, top = split_at(frozen, cut)
    bodies = {"whole": whole, "pooling": build_backbone("resnet10_small", 64, 5, None), "top": top}
    return {name: with_head(body, build_head(body.output_shape[-1], 3, 0.2, 1e-3)) for name, body in bodies.items()}


@pytest.mark.parametrize("name", ["whole", "pooling", "top"])
def test_a_twin_has_the_variables_and_flags_of_its_network(name):
    model = networks()[name]
    twin = training_twin(model, "fused")
    for kind in ("weights", "trainable_variables", "non_trainable_variables"):
        own, copied = ([tuple(v.shape) for v in getattr(m, kind)] for m in (model, twin))
        assert own == copied, kind
    assert [v.name for v in model.trainable_variables] == [v.name for v in twin.trainable_variables]
    fused = {type(layer) for layer in flat_layers(twin)}
    assert (FusedDepthwiseConv2D in fused) == (name != "pooling")  # it has no depthwise convolution
    assert (FusedBatchNormalization in fused) == (name != "top")  # those of the top are frozen


@pytest.mark.parametrize("kernels", ["fused", "keras"])
def test_a_twin_computes_what_its_network_does_with_its_input_statistics_too(kernels):
    """Keras' EfficientNet normalises pixels by numbers that it has worked out from its weights."""
    pixels = keras.Input((8, 8, 3))
    normalised = keras.layers.Normalization(name="n")(pixels)
    model = keras.Model(pixels, keras.layers.BatchNormalization()(normalised))
    model.get_layer("n").set_weights([np.array([1.0, 2, 3]), np.array([4.0, 9, 16]), np.array(0)])
    model.get_layer("n").finalize_state()
    twin = training_twin(model, kernels)
    copy_state(model, twin)
    images = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(twin(images), model(images), rtol=1e-5)


@pytest.mark.parametrize(
    "name", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("whole", "pooling")), "top"]
)
def test_fifty_steps_give_the_weights_that_keras_gives_but_for_rounding(name):
    """The yardstick of rounding is Keras itself on inputs that are changed in their last bits."""
    model = networks()[name]
    rng = np.random.default_rng(2)
    shape = model.input_shape[1:]
    inputs = rng.uniform(0, 2 if name == "top" else 255, (50, 8, *shape)).astype("float32")
    labels = rng.integers(3, size=(50, 8))

    def trained(kernels: str, inputs: np.ndarray) -> np.ndarray:
        twin = compiled_twin(model, PLAN, kernels)
        twin.optimizer.learning_rate = 1e-4
        twin.optimizer.restart(np.zeros(len(twin.trainable_variables)), np.zeros(len(twin.trainable_variables), bool))
        for batch, truth in zip(inputs, labels, strict=True):
            twin.train_on_batch(batch, truth)
        return np.concatenate([weight.ravel() for weight in twin.get_weights()])

    plain = trained("keras", inputs)
    rounded = trained("keras", inputs * np.float32(1 + 2**-22))
    start = np.concatenate([weight.ravel() for weight in model.get_weights()])
    moved, by_rounding = np.linalg.norm(plain - start), np.linalg.norm(rounded - plain)
    assert np.linalg.norm(trained("fused", inputs) - plain) < max(3 * by_rounding, 1e-5 * moved)
    assert by_rounding < 0.2 * moved


def test_a_network_trained_by_a_twin_is_saved_with_keras_layers_only(tmp_path):
    model = networks()["top"]
    twin = compiled_twin(model, PLAN, "fused")
    rng = np.random.default_rng(0)
    inputs = rng.uniform(0, 2, (8, *model.input_shape[1:])).astype("float32")
    twin.train_on_batch(inputs, rng.integers(3, size=8))
    copy_state(twin, model)
    save_model(model, tmp_path / "saved.keras")
    loaded = load_model(tmp_path / "saved.keras")
    assert {type(layer).__module__.partition(".")[0] for layer in flat_layers(loaded)} == {"keras"}
    np.testing.assert_allclose(loaded(inputs, training=False), twin(inputs, training=False), rtol=0, atol=1e-5)


def test_keras_kernels_are_a_plain_twin():
    model = networks()["top"]
    twin = training_twin(model, "keras")
    assert [type(layer) for layer in flat_layers(twin)] == [type(layer) for layer in flat_layers(model)]
