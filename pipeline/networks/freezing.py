"""Freeze the lower layers of a backbone: find its blocks, cut it between two of them, set `trainable`."""

import difflib
import re
from typing import Literal, NamedTuple

import keras
import numpy as np

from pipeline.networks.graph import Step, cut_positions, flat_layers, steps
from pipeline.networks.trainable import learnable, unfreeze
from pipeline.store.errors import InputError

STEM, TOP, ALL = "stem", "top", "all"

# Layer-name patterns of the blocks of each family; the first that matches the start of a layer's name applies.
BLOCK_NAMES: tuple[tuple[str, str], ...] = (
    (r"conv\d+_block\d+", r"\g<0>"),  # ResNet, DenseNet
    (r"(?:convnext_[a-z]+_)?(stage_\d+_block_\d+|downsampling_block_\d+)", r"\1"),  # ConvNeXt
    (r"block\d+[a-z]+(?=_)", r"\g<0>"),  # EfficientNet
    (r"block\d+_\d+(?=_)", r"\g<0>"),  # InceptionResNetV2
    (r"block_?\d+", r"\g<0>"),  # VGG, Xception, MobileNetV2
    (r"expanded_conv(?:_\d+)?", r"\g<0>"),  # MobileNetV3, the first block of MobileNetV2
    (r"conv_(?:dw|pw|pad)_(\d+)", r"block_\1"),  # MobileNet
    (r"mixed_?\d+[a-z]?", r"\g<0>"),  # Inception
)


class Block(NamedTuple):
    """Consecutive layers of a backbone, up to a layer through which every path passes."""

    name: str
    layers: tuple[str, ...]
    output: str  # the last layer: its output alone feeds the next block


def blocks(backbone: keras.Model) -> list[Block]:
    """Group the layers of a backbone, first to last, into the blocks of its family.

    Layers before the first named block are "stem", those after the last are "top" (families that end in a block, such
    as VGG or Inception, have no "top"). In an unknown family every part between two cuts that has weights begins a
    block, named after its first layer with weights.
    """
    listed = steps(backbone)
    segments = _segments(listed)
    labels = [_family_label(segment) for segment in segments]
    if any(labels):
        last = max(number for number, label in enumerate(labels) if label)
        labels[last + 1 :] = [TOP] * (len(labels) - last - 1)
    else:
        labels = [next((step.name for step in segment if _weighted(step)), None) for segment in segments]
    grouped: list[tuple[str, list[Step]]] = [(STEM, [])]
    for label, segment in zip(labels, segments, strict=True):
        if label is not None and label != grouped[-1][0]:
            grouped.append((label, []))
        grouped[-1][1].extend(segment)
    return [Block(name, tuple(step.name for step in part), part[-1].name) for name, part in grouped if part]


def cut_layer(backbone: keras.Model, unfreeze: int | str) -> str:
    """The name of the layer whose output is the cut between the frozen and the trained part.

    Args:
        backbone: a Functional model.
        unfreeze: the number of blocks, counted from the top, that are trained (0: none, the cut is the output); or the
            name of the first trained block or layer; or "all", for which the cut is the input layer.

    Raises:
        InputError: more blocks than there are, or a name at which the network cannot be cut in two.
    """
    listed, parts = steps(backbone), blocks(backbone)
    entrance = listed[0].name
    inputs = [entrance, *(part.output for part in parts[:-1])]
    before = {ALL: entrance} | dict(zip([part.name for part in parts], inputs, strict=True))
    if isinstance(unfreeze, int):
        if not 0 <= unfreeze <= len(parts):
            raise InputError(
                f"unfreeze is {unfreeze}, but {backbone.name} has {len(parts)} blocks: allowed are 0 to "
                f"{len(parts)}, a name, or {ALL!r}. Blocks from the input on: {', '.join(p.name for p in parts)}."
            )
        return listed[-1].name if unfreeze == 0 else before[parts[-unfreeze].name]
    cuts = {listed[position].name for position in cut_positions(listed)}
    parents = {step.name: {tensor._keras_history[0].name for tensor in step.inputs} for step in listed}
    before = {name: min(names) for name, names in parents.items() if len(names) == 1 and names <= cuts} | before
    if unfreeze not in before:
        close = difflib.get_close_matches(unfreeze, before, n=5, cutoff=0.5)
        raise InputError(
            f"unfreeze is {unfreeze!r}, which names no block of {backbone.name} and no layer that directly "
            f"follows a cut. Allowed: 0 to {len(parts)}, {ALL!r}, a block ({', '.join(p.name for p in parts)}), or a "
            "layer whose only input is one through which every path passes"
            + (f"; the closest are {', '.join(close)}." if close else ".")
        )
    return before[unfreeze]


def split_at(backbone: keras.Model, cut: str) -> tuple[keras.Model | None, keras.Model]:
    """Split a backbone into two models that share its layers, so that training the top trains the backbone.

    Args:
        cut: a layer name, as `cut_layer` returns it.

    Returns:
        trunk: pixels to the activation at the cut; None where the cut is the input layer.
        top: this activation (an input layer "activation") to the feature map; the backbone itself with the cut at the
            input, the identity with the cut at the output.
    """
    position, listed = _cut_position(backbone, cut)
    tensor = listed[position].outputs[0]
    if position == 0:
        return None, backbone
    trunk = keras.Model(backbone.input, tensor, name=f"{backbone.name}_trunk")
    activation = keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name="activation")
    if position == len(listed) - 1:
        return trunk, keras.Model(activation, activation, name=f"{backbone.name}_top")
    # Keras would name the new input by a process-wide counter: clone onto our input, with the same layers.
    between = keras.Model(tensor, backbone.output, name=f"{backbone.name}_top")
    top = keras.models.clone_model(between, input_tensors=activation, clone_function=lambda layer: layer)
    return trunk, top


def set_trainable(backbone: keras.Model, cut: str, batch_norm: Literal["frozen", "train"]) -> None:
    """Freeze the layers up to and including the cut, and train the rest.

    A BatchNormalization with trainable=False also uses its moving statistics in `fit`; batch_norm="frozen" sets this
    for all of them. Compile afterwards: TensorFlow silently ignores a later change.
    """
    position, listed = _cut_position(backbone, cut)
    unfreeze(backbone)  # first, since it overwrites the flag of every layer
    for step in listed[: position + 1]:
        if isinstance(step.operation, keras.layers.Layer):
            step.operation.trainable = False
    if batch_norm == "frozen":
        for layer in batch_norms(backbone):
            layer.trainable = False


def batch_norm_statistics(model: keras.Model) -> dict[str, np.ndarray]:
    """Copy the moving statistics of every frozen batch normalisation: "layer/moving_mean" to float32 (channels,)."""
    return {
        f"{layer.name}/{name}": np.array(keras.ops.convert_to_numpy(getattr(layer, name)))
        for layer in batch_norms(model)
        if not layer.trainable
        for name in ("moving_mean", "moving_variance")
    }


def assert_unmoved(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> None:
    """Raise RuntimeError, naming the layers, unless every statistic of `before` is unchanged in `after`."""
    kept = {name for name, value in before.items() if name in after and np.array_equal(value, after[name])}
    moved = {name.rsplit("/", 1)[0] for name in before.keys() - kept}
    if moved:
        raise RuntimeError(f"Frozen batch-norm statistics moved during training: {', '.join(sorted(moved))}")


def _segments(listed: list[Step]) -> list[list[Step]]:
    ends = [position + 1 for position in cut_positions(listed)]
    return [listed[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _family_label(segment: list[Step]) -> str | None:
    """The block of the segment's last layer whose name matches a family, or None."""
    for step in reversed(segment):
        for pattern, template in BLOCK_NAMES:
            if match := re.match(pattern, step.name):
                return match.expand(template)
    return None


def _weighted(step: Step) -> bool:
    return isinstance(step.operation, keras.layers.Layer) and bool(learnable(step.operation))


def _cut_position(backbone: keras.Model, cut: str) -> tuple[int, list[Step]]:
    listed = steps(backbone)
    for position in cut_positions(listed):
        if listed[position].name == cut:
            return position, listed
    raise InputError(f"{backbone.name} cannot be cut after {cut!r}: some paths from its input to its output avoid it.")


def batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """The batch normalisations of a model, those inside nested models included."""
    return [layer for layer in flat_layers(model) if isinstance(layer, keras.layers.BatchNormalization)]


def set_momentum(model: keras.Model, momentum: float) -> None:
    """Let the moving statistics of every batch normalisation average over about 1 / (1 - momentum) steps."""
    for layer in batch_norms(model):
        layer.momentum = momentum
