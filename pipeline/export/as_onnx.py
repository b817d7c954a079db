"""ONNX: written by tf2onnx, run by ONNX Runtime."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.export.served import served
from pipeline.networks.device import without_notices

OPSET = 18  # of December 2022: ONNX Runtime from 1.14 on, and the converters for phones and browsers, read it

EXAMPLE = """\
import onnxruntime

network = onnxruntime.InferenceSession("model.onnx")
(probabilities,) = network.run(["probabilities"], {"image": pixels})"""


def write(model: Any, path: Path) -> None:
    """Write equal bytes for equal networks."""
    with without_notices():
        import tf2onnx
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    call, image = served(model)
    with without_notices():
        found, _ = tf2onnx.convert.from_function(call, [image], opset=OPSET)
    path.write_bytes(canonical(found).SerializeToString(deterministic=True))


def predict(path: Path, images: np.ndarray) -> np.ndarray:
    """Probabilities (n, k) of uint8 images (n, s, s, 3)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: images})[0])


def canonical(model: Any) -> Any:
    """Order and name the nodes and weights of a graph by its structure alone, in place, with the bodies of If and Loop.

    tf2onnx goes through sets, and numbers what it makes: order and names change from process to process. Here they
    follow the inputs of each node, back from the output. What both ends are called stays; batches are of size "n".
    """
    graph = model.graph
    _order(graph)
    _name(graph, {end.name: end.name for end in (*graph.input, *graph.output)} | {"": ""})
    for end in (*graph.input, *graph.output):
        end.type.tensor_type.shape.dim[0].dim_param = "n"
    graph.name, graph.doc_string = "network", ""
    return model


def bodies(node: Any) -> list[Any]:
    """The graphs inside a node, which use tensors of the graph around it by their names."""
    return [each.g for each in node.attribute if each.HasField("g")]


def _order(graph: Any) -> None:
    """Keep the nodes and weights that the outputs need: inputs before what uses them, the first input first."""
    for node in graph.node:
        for body in bodies(node):
            _order(body)
    producers = {name: node for node in graph.node for name in node.output}
    weights = {weight.name: weight for weight in graph.initializer}
    nodes: list[Any] = []
    used: list[Any] = []
    done = set[str]()
    pending = [(output.name, False) for output in reversed(graph.output)]
    while pending:  # a loop, not a recursion: deep networks exceed Python's recursion limit
        name, inputs_listed = pending.pop()
        if name in done:
            continue
        if name in producers and not inputs_listed:
            pending.append((name, True))
            pending.extend((each, False) for each in reversed(_taken(producers[name])))
            continue
        if name in producers:
            nodes.append(producers[name])
            done.update(producers[name].output)
        else:
            used += [weights[name]] if name in weights else []
            done.add(name)
    for field, kept in ((graph.node, nodes), (graph.initializer, used)):
        copies = [type(each).FromString(each.SerializeToString()) for each in kept]
        del field[:]
        field.extend(copies)
    del graph.value_info[:]


def _taken(node: Any) -> list[str]:
    """The tensors that a node uses: its inputs, and what its bodies take from the graph around them."""
    found = list(node.input)
    for body in bodies(node):
        made = {name for each in body.node for name in each.output}
        made |= {each.name for each in (*body.input, *body.initializer)}
        used = [name for each in body.node for name in _taken(each)] + [output.name for output in body.output]
        found += [name for name in used if name not in made]
    return found


def _name(graph: Any, names: dict[str, str]) -> None:
    """Number what an ordered graph makes; `names` has the new names of all that was met so far."""
    for end in graph.input:
        end.name = names.setdefault(end.name, f"tensor{len(names)}")
    for weight in graph.initializer:
        weight.name = names.setdefault(weight.name, f"tensor{len(names)}")
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}{number}"
        node.input[:] = [names[each] for each in node.input]
        node.output[:] = [names.setdefault(each, f"tensor{len(names)}") for each in node.output]
    for body in (body for node in graph.node for body in bodies(node)):
        _name(body, names)
        body.name, body.doc_string = "body", ""
    for end in graph.output:
        end.name = names[end.name]
