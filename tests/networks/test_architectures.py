import hashlib
import math
import sys

import keras
import numpy as np
import pytest

from pipeline.networks.applications import (
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    affine_map,
    build_application,
    describe,
    preprocessing_of,
)
from pipeline.networks.architectures import build_backbone
from pipeline.networks.freezing import blocks, cut_layer, split_at
from pipeline.registry.architectures import APPLICATIONS, block_count, known_architecture, smallest_side
from pipeline.store.errors import InputError

FAMILIES = (
    *("ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionResNetV2", "InceptionV3"),
    *("MobileNet", "MobileNetV2", "MobileNetV3Small", "NASNetMobile", "ResNet50", "ResNet50V2", "VGG16", "VGG19"),
    "Xception",
)


def digest(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_names_are_what_keras_offers():
    offered = {name for name, value in vars(keras.applications).items() if callable(value) and name[0].isupper()}
    assert set(APPLICATIONS) == offered and len(APPLICATIONS) == len(offered)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("efficientnet_lite0", True),
        ("cifar_resnet8", True),
        ("resnet10_small", True),
        ("VGG16", True),
        ("models/own.keras", True),
        ("vgg16", False),
        ("imagenet", False),
    ],
)
def test_known_architecture(name, known):
    assert known_architecture(name) is known


def test_unknown_architecture_lists_the_allowed():
    with pytest.raises(InputError, match=r"'resnet50'.*ResNet50,.*\.keras"):
        build_backbone("resnet50", 64, seed=0)


@pytest.mark.parametrize("name", FAMILIES)
def test_pixel_map_equals_preprocess_input(name):
    module = sys.modules[getattr(keras.applications, name).__module__]
    images = np.random.default_rng(3).uniform(0, 255, (2, 5, 5, 3)).astype("float32")
    found = preprocessing_of(name)
    ours = images[..., list(found.order)] * np.array(found.scale) + np.array(found.offset)
    np.testing.assert_allclose(ours, module.preprocess_input(images.copy()), rtol=1e-5, atol=1e-4)


def test_preprocessing_layers_equal_preprocess_input():
    """VGG16 flips channels and subtracts: the layers up to the first convolution do as the family's function."""
    backbone = build_application("VGG16", 32)
    before = keras.Model(backbone.input, backbone.get_layer("block1_conv1").input)
    images = np.random.default_rng(3).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    wanted = keras.applications.vgg16.preprocess_input(images.copy())
    np.testing.assert_allclose(keras.ops.convert_to_numpy(before(images)), wanted, rtol=1e-5, atol=1e-4)


def test_a_map_that_mixes_channels_is_refused():
    with pytest.raises(ValueError, match="mixes channels"):
        affine_map(lambda x: x.mean(axis=-1, keepdims=True) * np.ones(3))


def test_describe():
    assert describe(preprocessing_of("VGG16")).startswith(
        "pixels 0..255 in the order BGR, times (1, 1, 1), plus (-103.9"
    )
    assert "itself rescales" in describe(preprocessing_of("EfficientNetB0"))


def test_random_weights_follow_the_seed_alone():
    first = build_backbone("efficientnet_lite0", 64, seed=5)
    weights = first.get_weights()
    keras.Sequential([keras.layers.Dense(3)]).build((None, 2))  # history that must not matter
    again, other = (build_backbone("efficientnet_lite0", 64, seed=seed) for seed in (5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(weights, again.get_weights(), strict=True))
    assert not np.array_equal(weights[0], other.get_weights()[0])


def test_an_application_has_the_same_names_and_weights_each_time(tmp_path):
    first, second = (build_backbone("MobileNetV2", 32, seed=1) for _ in range(2))
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))
    assert first.input.name == "pixels" and len(first.output.shape) == 4


def test_efficientnet_b_normalises_with_imagenet_statistics():
    backbone = build_application("EfficientNetB0", 32)
    after = keras.Model(backbone.input, backbone.get_layer("normalization").output)
    pixels = np.full((1, 32, 32, 3), 0.485 * 255, "float32")
    values = keras.ops.convert_to_numpy(after(pixels))[0, 0, 0]
    np.testing.assert_allclose(values, [0, (0.485 - 0.456) / 0.224, (0.485 - 0.406) / 0.225], atol=1e-5)


OWN = ([0.3, 0.4, 0.5], [0.04, 0.05, 0.06])  # mean, variance


@pytest.mark.parametrize(
    ("in_file", "wanted"),
    [
        (OWN, OWN),
        (([0.0] * 3, [1.0] * 3), ([0.0] * 3, [1.0] * 3)),  # never adapted
        # files of the published network hold the deviation: another layer divides by its square root once more
        ((IMAGENET_MEAN, IMAGENET_DEVIATION), (IMAGENET_MEAN, np.square(IMAGENET_DEVIATION))),
    ],
)
def test_efficientnet_b_normalises_as_its_file_says(in_file, wanted):
    keras.utils.clear_session(free_memory=False)
    network = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    tensors = {each.name: [np.asarray(v) for v in each.weights] for each in network.layers if each.weights}
    tensors["normalization"] = [np.asarray(each, "float32") for each in (*in_file, 0)]
    keras.utils.clear_session(free_memory=False)
    backbone = build_application("EfficientNetB0", 32, tensors, "own.h5")
    pixels = np.random.default_rng(1).uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    values = keras.Model(backbone.input, backbone.get_layer("normalization").output)(pixels)
    mean, variance = map(np.asarray, wanted)
    expected = (pixels / 255 - mean) / np.sqrt(variance)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(values), expected, atol=1e-4)


def test_too_small_an_image_is_the_users_fault():
    with pytest.raises(InputError, match="InceptionV3 cannot be built at image_size 40"):
        build_backbone("InceptionV3", 40, seed=0)


@pytest.mark.parametrize("name", APPLICATIONS)
def test_an_application_refuses_images_below_its_smallest(name):
    """As the table says, so that `check` knows it without building a network."""
    with pytest.raises(InputError, match="cannot be built at image_size"):
        build_application(name, smallest_side(name) - 1)


@pytest.mark.parametrize("name", [name for name, entry in APPLICATIONS.items() if entry.smallest > 32])
def test_an_application_takes_its_smallest_images(name):
    assert build_application(name, smallest_side(name)).output.shape[1] >= 1


def test_a_file_gives_its_structure_not_its_weights(tiny, tmp_path):
    path = tmp_path / "tiny.keras"
    tiny.save(path)
    first, second = (build_backbone(str(path), 16, seed=2, sha256=digest(path)) for _ in range(2))
    assert first.input.shape == (None, 16, 16, 3) and first.input.name == "pixels"
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))
    assert not np.array_equal(first.get_layer("first").get_weights()[0], tiny.get_layer("first").get_weights()[0])


def test_a_file_without_or_with_another_digest_is_refused(tiny, tmp_path):
    path = tmp_path / "tiny.keras"
    tiny.save(path)
    with pytest.raises(InputError, match=f"sha256: {digest(path)}"):
        build_backbone(str(path), 12, seed=0)
    with pytest.raises(InputError, match="is not the expected one"):
        build_backbone(str(path), 12, seed=0, sha256="0" * 64)
    with pytest.raises(InputError, match="cannot be read"):
        build_backbone(str(tmp_path / "absent.keras"), 12, seed=0, sha256="0" * 64)


@pytest.mark.parametrize(
    ("name", "blocks_a_stage", "parameters"), [("cifar_resnet8", 1, 78_000), ("cifar_resnet14", 2, 175_000)]
)
def test_the_small_residual_networks_are_the_papers(name, blocks_a_stage, parameters):
    """Three stages of 16, 32, 64 filters; ResNet-8 and ResNet-14 count the convolutions and the classifier."""
    backbone = build_backbone(name, 32, seed=0)
    assert len(blocks(backbone)) == block_count(name)
    convolutions = [layer for layer in backbone.layers if isinstance(layer, keras.layers.Conv2D)]
    main = [layer for layer in convolutions if layer.kernel_size == (3, 3)]
    assert len(main) + 1 == 6 * blocks_a_stage + 2 == int(name.removeprefix("cifar_resnet"))
    assert sorted({layer.filters for layer in main}) == [16, 32, 64]
    assert backbone.output_shape == (None, 4, 4, 64)
    assert sum(math.prod(weight.shape) for weight in backbone.trainable_weights) == pytest.approx(parameters, rel=0.02)
    names = ["stem", *(f"block{stage}{letter}" for stage in (1, 2, 3) for letter in "ab"[:blocks_a_stage])]
    assert [block.name for block in blocks(backbone)] == names


def test_resnet10_small_has_the_papers_layout_at_fewer_filters():
    """One stem, then one block in each of four stages: nine 3x3 convolutions and the classifier; a size of 1/32."""
    backbone = build_backbone("resnet10_small", 96, seed=0)
    assert len(blocks(backbone)) == block_count("resnet10_small")
    convolutions = [layer for layer in backbone.layers if isinstance(layer, keras.layers.Conv2D)]
    main = [layer for layer in convolutions if layer.kernel_size == (3, 3)]
    assert [layer.filters for layer in main] == [32, *(width for width in (32, 64, 128, 128) for _ in range(2))]
    assert len(main) + 1 == 10
    assert sum(math.prod(layer.kernel.shape) for layer in convolutions) == 617_312
    assert backbone.output_shape == (None, 3, 3, 128)
    assert backbone.get_layer("block1a_1_conv").input.shape == (None, 24, 24, 32)  # after the stem and its pooling
    assert [block.name for block in blocks(backbone)] == ["stem", *(f"block{stage}a" for stage in (1, 2, 3, 4))]


@pytest.mark.parametrize(
    ("unfreeze", "cut", "size"), [(1, "block3a_relu", 6), (4, "stem_pool", 24), (0, "block4a_relu", 3)]
)
def test_resnet10_small_is_cut_between_its_blocks(unfreeze, cut, size):
    backbone = build_backbone("resnet10_small", 96, seed=0)
    assert cut_layer(backbone, unfreeze) == cut
    trunk, _ = split_at(backbone, cut)
    assert trunk.output_shape[1] == size


@pytest.mark.parametrize("name", ["cifar_resnet8", "resnet10_small"])
def test_small_residual_networks_see_pixels_as_imagenet_networks_do(name):
    backbone = build_backbone(name, 32, seed=0)
    scaled = keras.Model(backbone.input, backbone.get_layer("preprocess").output)
    grey = np.full((1, 32, 32, 3), 0.449 * 255, "float32")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(scaled(grey))[0, 0, 0],
        (0.449 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_DEVIATION),
        rtol=1e-3,
        atol=1e-4,
    )
