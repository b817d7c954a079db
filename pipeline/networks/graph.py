"""The graph of a Functional model in topological order, and the positions where it can be cut in two."""

from typing import Any, NamedTuple

import keras


class Step(NamedTuple):
    """One call of an operation (a layer, or a function of keras.ops) on symbolic tensors."""

    operation: Any  # keras.Operation; every keras.Layer is one
    inputs: tuple[Any, ...]  # KerasTensors, each an output of an earlier step; empty for an input layer
    outputs: tuple[Any, ...]

    @property
    def name(self) -> str:
        return self.operation.name


def steps(model: keras.Model) -> list[Step]:
    """List the calls from the model's inputs to its outputs in topological order.

    Walks back from the output tensors, so that calls of shared layers by other models do not appear. Branches follow
    the order of the inputs of the layer that joins them: the order depends on the model alone.
    """
    inputs = {id(tensor) for tensor in model.inputs}
    found: dict[tuple[int, int], Step] = {}  # (operation, call index) -> step
    pending = [(tensor, False) for tensor in reversed(model.outputs)]
    while pending:  # a loop, not a recursion: deep networks exceed Python's recursion limit
        tensor, parents_listed = pending.pop()
        operation, call, _ = tensor._keras_history
        key = (id(operation), call)
        if key in found:
            continue
        node = operation._inbound_nodes[call]
        parents = () if id(tensor) in inputs else tuple(node.input_tensors)
        if parents_listed:
            found[key] = Step(operation, parents, tuple(node.output_tensors))
        else:
            pending.append((tensor, True))
            pending.extend((parent, False) for parent in reversed(parents))
    return list(found.values())


def cut_positions(listed: list[Step]) -> list[int]:
    """Positions of the single-output steps through which every path from the input to the output passes.

    These are the dominators of the last step. In a topological order a step is one if no tensor made before it is used
    after it: one sweep that tracks the furthest consumer.
    """
    furthest = [0] * len(listed)
    producer: dict[int, int] = {}
    for position, step in enumerate(listed):
        for tensor in step.inputs:
            furthest[producer[id(tensor)]] = position
        producer.update((id(tensor), position) for tensor in step.outputs)
    cuts, reach = [], 0
    for position, step in enumerate(listed):
        if reach <= position and len(step.outputs) == 1:
            cuts.append(position)
        reach = max(reach, furthest[position])
    return cuts


def flat_layers(model: keras.Model) -> list[keras.Layer]:
    """All layers of the model, those inside nested models included, without the nested models themselves."""
    return [
        inner for layer in model.layers for inner in (flat_layers(layer) if isinstance(layer, keras.Model) else [layer])
    ]
