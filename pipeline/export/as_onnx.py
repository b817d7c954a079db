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
    """Order and name the nodes and weights of a graph by its structure alone, in place.

    tf2onnx goes through sets, and numbers what it makes: order and names change from process to process. Here they
    follow the inputs of each node, back from the output. What both ends are called stays; batches are of size "n".
    """
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    weights = {weight.name: weight for weight in graph.initializer}
    names = {end.name: end.name for end in (*graph.input, *graph.output)} | {"": ""}
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
            pending.extend((each, False) for each in reversed(producers[name].input))
            continue
        if name in producers:
            nodes.append(producers[name])
            made = producers[name].output
        else:
            used += [weights[name]] if name in weights else []
            made = [name]
        for each in made:
            done.add(each)
            names.setdefault(each, f"tensor{len(names)}")
    for number, node in enumerate(nodes):
        node.name = f"{node.op_type}{number}"
        node.input[:], node.output[:] = ([names[each] for each in side] for side in (node.input, node.output))
    for weight in used:
        weight.name = names[weight.name]
    for field, kept in ((graph.node, nodes), (graph.initializer, used)):
        copies = [type(each).FromString(each.SerializeToString()) for each in kept]
        del field[:]
        field.extend(copies)
    del graph.value_info[:]
    for end in (*graph.input, *graph.output):
        end.type.tensor_type.shape.dim[0].dim_param = "n"
    graph.name, graph.doc_string = "network", ""
    return model
