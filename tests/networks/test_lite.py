"""EfficientNet-Lite0 to Lite2 with their published weights; those whose package is not installed are skipped."""

import hashlib
import importlib.util
import math
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from pipeline.networks import lite_weights
from pipeline.networks.architectures import build_backbone
from pipeline.networks.efficientnet_lite import SCALES, stages_of
from pipeline.networks.freezing import blocks
from pipeline.networks.pinned import read_pinned
from pipeline.networks.published import load_published
from pipeline.networks.torch_legacy import read_state_dict
from pipeline.registry.architectures import block_count
from pipeline.store.errors import InputError

LITES = tuple(SCALES)
REFERENCE = Path(__file__).parent / "reference"  # origin of its files: make_lite_reference.py beside them


@pytest.fixture(scope="module", params=LITES)
def published(request):
    """The name of a network, and the tensors of its published file."""
    package = lite_weights.PACKAGES[request.param]
    pytest.importorskip(package.name.replace("-", "_"), reason=f"the extra [{package.extra}] is not installed")
    content = read_pinned(lite_weights.find_installed(request.param), package.sha256)
    return request.param, read_state_dict(content, "the published file")


def lite(name: str, size: int, state) -> keras.Model:
    backbone = build_backbone(name, size, seed=0)
    lite_weights.assign(backbone, state, "the published file")
    return backbone


def test_features_equal_an_independent_forward_pass(published):
    name, state = published
    with np.load(REFERENCE / f"{name.removeprefix('efficientnet_')}_features.npz") as reference:
        sizes = sorted(int(key.removeprefix("pooled_")) for key in reference if key.startswith("pooled"))
        assert 75 in sizes
        for size in sizes:
            backbone = lite(name, size, state)
            both = keras.Model(backbone.input, [backbone.get_layer("block3b_add").output, backbone.output])
            pixels = np.random.default_rng(size).integers(0, 256, (1, size, size, 3)).astype("float32")
            found = [keras.ops.convert_to_numpy(keras.ops.mean(x, axis=(1, 2))) for x in both(pixels)]
            np.testing.assert_allclose(found[0], reference[f"block3b_mean_{size}"], rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(found[1], reference[f"pooled_{size}"], rtol=1e-4, atol=1e-4)


def test_lite0_recognises_photographs(lite0_state):
    """A flower and a temple that scikit-learn ships, through the published classifier (classes of ImageNet-1k)."""
    backbone = lite("efficientnet_lite0", 224, lite0_state)
    photographs = np.stack([squared(load_sample_image(photo)) for photo in ("flower.jpg", "china.jpg")])
    pooled = keras.ops.convert_to_numpy(keras.ops.mean(backbone(photographs), axis=(1, 2)))
    logits = pooled @ lite0_state["_fc.weight"].T + lite0_state["_fc.bias"]
    assert list(logits.argmax(axis=1)) == [985, 698]  # daisy; palace (the picture shows the Summer Palace)


def squared(image: np.ndarray) -> np.ndarray:
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    crop = image[top : top + side, left : left + side].astype("float32")
    return keras.ops.convert_to_numpy(keras.ops.image.resize(crop, (224, 224), antialias=True))


@pytest.mark.parametrize(
    ("name", "parameters", "filters"),
    [  # with the classifier of 1000 classes; millions as published
        ("efficientnet_lite0", 4_652_008, (16, 24, 40, 80, 112, 192, 320)),
        ("efficientnet_lite1", 5_416_680, (16, 24, 40, 80, 112, 192, 320)),
        ("efficientnet_lite2", 6_092_072, (16, 24, 48, 88, 120, 208, 352)),
    ],
)
def test_size_and_blocks_are_the_published(name, parameters, filters):
    backbone = build_backbone(name, 32, seed=0)
    weights = sum(math.prod(weight.shape) for weight in backbone.trainable_weights)
    assert weights + 1280 * 1000 + 1000 == parameters
    assert tuple(stage.filters for stage in stages_of(name)) == filters
    assert len(blocks(backbone)) == block_count(name)
    weighted = {layer.name for layer in backbone.layers if layer.weights}
    assert weighted == {layer for layer, _ in lite_weights.layer_prefixes(name)}


def test_the_card(published):
    name, _ = published
    package = lite_weights.PACKAGES[name]
    _, card = load_published(name, "imagenet", 64)
    assert card["licence"] == "Apache-2.0" and f"{package.name} 0." in card["origin"]
    assert card["sha256"] == hashlib.sha256(lite_weights.find_installed(name).read_bytes()).hexdigest()
    assert card["sha256"].startswith(package.file.removesuffix(".pth").rpartition("-")[2])  # as its authors named it


def test_a_flipped_byte_is_refused(lite0_content, tmp_path):
    changed = bytearray(lite0_content)
    changed[-1000] ^= 1
    (tmp_path / "weights.pth").write_bytes(changed)
    with pytest.raises(InputError, match=r"weights\.pth is not the expected one: its sha256 is"):
        read_pinned(tmp_path / "weights.pth", lite_weights.PACKAGES["efficientnet_lite0"].sha256)


@pytest.mark.parametrize(("name", "extra"), [("efficientnet_lite0", "demo"), ("efficientnet_lite2", "lite")])
def test_the_absent_package_names_the_extra(monkeypatch, name, extra):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=rf"{name} come .* pip install -c constraints.txt -e '\.\[{extra}\]'"):
        load_published(name, "imagenet", 64)


def test_missing_unknown_and_misshapen_tensors_are_named(lite0_state):
    state = dict(lite0_state)
    state["_blocks.3._bn1.gamma"] = state.pop("_blocks.3._bn1.weight")
    state["_conv_head.weight"] = state["_conv_head.weight"][:-1]
    backbone = build_backbone("efficientnet_lite0", 32, seed=0)
    before = backbone.get_weights()
    with pytest.raises(InputError, match="weights of efficientnet_lite0") as caught:
        lite_weights.assign(backbone, state, "x.pth")
    for fault in ("missing _blocks.3._bn1.weight", "unknown _blocks.3._bn1.gamma", "_conv_head.weight has shape (1279"):
        assert fault in str(caught.value)
    assert all(np.array_equal(a, b) for a, b in zip(before, backbone.get_weights(), strict=True))


def test_the_weights_of_another_lite_are_refused(lite0_state):
    """Its first difference is a block that Lite1 has and Lite0 has not."""
    with pytest.raises(InputError, match="does not hold the weights of efficientnet_lite1: missing"):
        lite("efficientnet_lite1", 32, lite0_state)
