"""Weights in Keras' legacy HDF5 format: numbers only, from this file only, into the network that they belong to."""

import hashlib
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from pipeline.networks.hdf5_weights import assign, read_weights
from pipeline.networks.published import load_published
from pipeline.store.errors import InputError

SIDE = 32
Change = dict[str, object]


def weights_of(network: keras.Model) -> dict[str, list[np.ndarray]]:
    return {
        layer.name: [np.asarray(weight) for weight in (*layer.trainable_weights, *layer.non_trainable_weights)]
        for layer in network.layers
        if layer.weights
    }


def write(path: Path, tensors: dict[str, list[np.ndarray]], chunks: bool = False) -> Path:
    """A file as Keras 2 wrote `*_notop.h5`, by the format alone."""
    with h5py.File(path, "w") as file:
        names = np.array([name.encode() for name in tensors])
        if chunks:  # as for lists that are too long for one attribute
            file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:2], names[2:]
        else:
            file.attrs["layer_names"] = names
        for layer, arrays in tensors.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = np.array([f"{layer}/weight_{i}:0".encode() for i in range(len(arrays))])
            for i, array in enumerate(arrays):
                group.create_dataset(f"{layer}/weight_{i}:0", data=array)
    return path


def read(path: Path) -> dict[str, list[np.ndarray]]:
    return read_weights(path.read_bytes(), path.name)


@pytest.fixture
def network(tiny) -> keras.Model:
    return tiny


@pytest.fixture
def noise(network):
    rng = np.random.default_rng(0)
    return {name: [rng.normal(size=each.shape) for each in arrays] for name, arrays in weights_of(network).items()}


def same(network: keras.Model, tensors: dict[str, list[np.ndarray]]) -> bool:
    pairs = zip(weights_of(network).values(), tensors.values(), strict=True)
    return all(np.allclose(a, b) for found, wanted in pairs for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("chunks", [False, True])
def test_what_is_written_is_read_and_assigned(network, noise, tmp_path, chunks):
    assign(network, read(write(tmp_path / "w.h5", noise, chunks)), "w.h5")
    assert same(network, noise)


def test_what_keras_writes_is_read(network, tmp_path):
    network.save(tmp_path / "whole.h5")
    tensors = read(tmp_path / "whole.h5")
    assert same(network, tensors) and list(tensors) == list(weights_of(network))


def test_layers_go_by_name_whatever_their_order(network, noise, tmp_path):
    assign(network, read(write(tmp_path / "w.h5", dict(reversed(noise.items())))), "w.h5")
    assert same(network, noise)


def test_layers_of_other_names_go_by_order(network, noise, tmp_path):
    """As in files from before Keras numbered its layers from 0."""
    renamed = {f"layer_{i + 1}": arrays for i, arrays in enumerate(noise.values())}
    assign(network, read(write(tmp_path / "w.h5", renamed)), "w.h5")
    assert same(network, noise)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda noise: noise.pop("second"), "4 layers with weights, the network 5. missing second"),
        (lambda noise: noise.update(extra=[np.zeros(2)]), "6 layers with weights, the network 5. unknown extra"),
        (
            lambda noise: noise.update(last=[np.zeros((1, 1, 4, 7)), np.zeros(7)]),
            "last: the file has shapes 1x1x4x7 7, the network 1x1x4x5 5",
        ),
        (lambda noise: noise["norm"].pop(), "norm: the file has shapes 4 4 4, the network 4 4 4 4"),
    ],
)
def test_another_network_is_refused_with_what_differs(network, noise, tmp_path, change, fault):
    before = weights_of(network)
    change(noise)
    with pytest.raises(InputError, match="does not hold the weights of tiny") as caught:
        assign(network, read(write(tmp_path / "w.h5", noise)), "w.h5")
    assert fault in str(caught.value)
    assert same(network, before)


def soft(file: h5py.File) -> None:
    file["norm/again"] = h5py.SoftLink("/first")


def external(file: h5py.File) -> None:
    file["norm/elsewhere"] = h5py.ExternalLink("other.h5", "/secret")


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "secret", (2,))
    file.create_virtual_dataset("norm/virtual", layout)


def raw_file(file: h5py.File) -> None:
    file.create_dataset("norm/raw", (2,), "f4", external=[("other.bin", 0, 8)])


def text(file: h5py.File) -> None:
    file["norm/text"] = ["print('ran')"]


def opaque(file: h5py.File) -> None:
    file["norm/opaque"] = np.array([b"\x80\x04"], dtype="V2")


def named_type(file: h5py.File) -> None:
    file["norm/type"] = np.dtype("f4")


def circle(file: h5py.File) -> None:
    file["norm/circle"] = file["norm"]


@pytest.mark.parametrize("attack", [soft, external, virtual, raw_file, text, opaque, named_type, circle])
def test_anything_but_numbers_of_this_file_is_refused(noise, tmp_path, attack):
    path = write(tmp_path / "w.h5", noise)
    with h5py.File(path, "a") as file:
        attack(file)
    with pytest.raises(InputError, match=r"w\.h5 was refused: .*/norm/"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n cut", b"PK\x03\x04"])
def test_what_is_no_hdf5_file_is_refused(content):
    with pytest.raises(InputError, match=r"w\.h5 is damaged or no file of weights"):
        read_weights(content, "w.h5")


def test_the_format_of_keras_3_is_refused_with_a_remedy(network, tmp_path):
    network.save_weights(tmp_path / "own.weights.h5")
    with pytest.raises(InputError, match=r"has no layer_names.*as a \.keras file"):
        read(tmp_path / "own.weights.h5")


@pytest.fixture(scope="module")
def mobile(tmp_path_factory):
    """A MobileNetV2 with weights of its own, and their file."""
    keras.utils.set_random_seed(3)
    network = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    path = write(tmp_path_factory.mktemp("weights") / "mobilenet_v2_no_top.h5", weights_of(network))
    return network, path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_source_from_a_local_file(mobile):
    network, path, sha256 = mobile
    backbone, card = load_published("MobileNetV2", "file", SIDE, sha256, path=str(path))
    assert all(np.array_equal(a, b) for a, b in zip(network.get_weights(), backbone.get_weights(), strict=True))
    assert (card["weights"], card["origin"], card["sha256"]) == ("file", str(path), sha256)
    assert card["licence"] == "not stated by the file" and "MobileNetV2" in card["citation"]


def test_a_wrong_digest_shows_both(mobile):
    _, path, sha256 = mobile
    with pytest.raises(InputError, match=f"its sha256 is {sha256}, expected {'0' * 64}"):
        load_published("MobileNetV2", "file", SIDE, "0" * 64, path=str(path))


def test_a_missing_file_is_named(mobile):
    with pytest.raises(InputError, match=r"weights file absent\.h5 cannot be read"):
        load_published("MobileNetV2", "file", SIDE, "0" * 64, path="absent.h5")


def test_the_file_of_another_architecture_is_refused(mobile):
    _, path, sha256 = mobile
    with pytest.raises(
        InputError, match=r"does not hold the weights of mobilenet_1\.00_32 without its classifier"
    ) as caught:
        load_published("MobileNet", "file", SIDE, sha256, path=str(path))
    assert "missing conv1" in str(caught.value) and len(str(caught.value)) < 700
