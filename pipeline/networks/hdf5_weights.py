"""Read weights from an HDF5 file in the legacy format of Keras (`*_notop.h5`) and assign them, datasets only.

The format: a group per layer, named in the attribute `layer_names`, with the tensors that its `weight_names` list. A
file of a whole network has them below `model_weights`. Neither its network, nor a link, nor an object is ever read.
"""

import io
from collections.abc import Iterator

import h5py
import keras
import numpy as np

from pipeline.store.errors import InputError

Tensors = dict[str, list[np.ndarray]]  # layer -> its tensors, in the order of the file
NETWORK = "model_weights"
MOST_SHOWN = 6  # differences in a message


def read_weights(content: bytes, where: str) -> Tensors:
    """The tensors of all layers that have some, in the order of the file.

    Args:
        content: all bytes of the file.
        where: its name in messages.

    Raises:
        InputError: the file is damaged, in another format, or holds anything but groups and numbers.
    """
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            if refused := sorted(set(_refused(file))):
                raise InputError(
                    f"{where} was refused: a file of weights holds numbers only, and this one has "
                    f"{', '.join(refused[:MOST_SHOWN])}. Nothing of it was read. Do not use this file."
                )
            root = file.get(NETWORK, file)
            groups = {name: root[name] for name in _names(root, "layer_names")}
            found = {
                name: [group[tensor][()] for tensor in _names(group, "weight_names")] for name, group in groups.items()
            }
    except InputError:
        raise
    except Exception as error:  # a damaged HDF5 file raises nearly every type
        raise InputError(
            f"{where} is damaged or no file of weights in the legacy format of Keras, such as the *_notop.h5 of "
            f"keras.applications ({type(error).__name__}: {error}). Download it again, or save your network as a "
            ".keras file and give that."
        ) from error
    return {name: tensors for name, tensors in found.items() if tensors}


def assign(backbone: keras.Model, tensors: Tensors, where: str) -> None:
    """Write tensors into the layers of a network: by the names of layers, or in order where names are others.

    Published files are older than today's names of some layers (`conv2d_94`); Keras, too, reads them in order.

    Raises:
        InputError: layers or shapes differ; names them, and nothing is written.
    """
    layers = {layer.name: layer for layer in backbone.layers if layer.weights}
    by_name = layers.keys() == tensors.keys()
    pairs = [(layers[name], name) for name in tensors] if by_name else list(zip(layers.values(), tensors, strict=False))
    faults = [fault for layer, name in pairs for fault in _differences(layer, name, tensors[name])]
    if len(layers) != len(tensors):
        faults = _missing(list(layers), list(tensors)) or faults
    if faults:
        more = f"; and {len(faults) - MOST_SHOWN} more" if len(faults) > MOST_SHOWN else ""
        raise InputError(
            f"{where} does not hold the weights of {backbone.name} without its classifier: the file has "
            f"{len(tensors)} layers with weights, the network {len(layers)}. {'; '.join(faults[:MOST_SHOWN])}{more}. "
            "Give the file of this architecture, or the architecture of this file."
        )
    for layer, name in pairs:
        for variable, values in zip(_variables(layer), tensors[name], strict=True):
            variable.assign(values)


def _variables(layer: keras.Layer) -> list[keras.Variable]:
    """The variables of a layer in the order in which Keras writes them into this format."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _differences(layer: keras.Layer, name: str, values: list[np.ndarray]) -> Iterator[str]:
    wanted, found = ([tuple(each.shape) for each in tensors] for tensors in (_variables(layer), values))
    if wanted != found:
        called = name if name == layer.name else f"{name} (in the network {layer.name})"
        yield f"{called}: the file has shapes {_shown(found)}, the network {_shown(wanted)}"


def _missing(wanted: list[str], found: list[str]) -> list[str]:
    return [f"missing {name}" for name in wanted if name not in found] + [
        f"unknown {name}" for name in found if name not in wanted
    ]


def _shown(shapes: list[tuple[int, ...]]) -> str:
    return " ".join("x".join(map(str, shape)) or "scalar" for shape in shapes)


def _refused(group: h5py.Group, seen: frozenset[int] = frozenset()) -> Iterator[str]:
    """Everything below a group that is no group and no dataset of numbers in this very file."""
    seen = seen | {h5py.h5o.get_info(group.id).addr}
    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            yield f"the link {group.name}/{name}"
            continue
        item = group[name]
        if isinstance(item, h5py.Group):
            if h5py.h5o.get_info(item.id).addr in seen:
                yield f"the circle {item.name}"
            else:
                yield from _refused(item, seen)
        elif not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiu":
            yield f"the object {item.name}"
        elif item.is_virtual or item.external:
            yield f"the dataset {item.name}, whose numbers are in another file"


def _names(group: h5py.Group, attribute: str) -> list[str]:
    """A list of names in an attribute, or in attribute0, attribute1, ... where it was too long for one."""
    whole = [attribute] if attribute in group.attrs else []
    parts = whole or [
        f"{attribute}{number}" for number in range(len(group.attrs)) if f"{attribute}{number}" in group.attrs
    ]
    if not parts:
        raise ValueError(f"{group.name} has no {attribute}")
    names = [name for part in parts for name in group.attrs[part]]
    return [name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in names]
