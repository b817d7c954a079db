"""The bytes of an ONNX file depend on its graph alone."""

import numpy as np
import pytest

from pipeline.export.as_onnx import canonical

onnx = pytest.importorskip("onnx")


def graph(names, order):
    """softmax((image * a + b) + image * a), with tensors of these names and nodes in this order."""
    a, b, scaled, moved, both = names
    made = [
        onnx.helper.make_node("Mul", ["image", a], [scaled], name=f"{scaled}__7"),
        onnx.helper.make_node("Add", [scaled, b], [moved], name=f"{moved}__8"),
        onnx.helper.make_node("Add", [moved, scaled], [both], name=f"{both}__9"),
        onnx.helper.make_node("Softmax", [both], ["probabilities"], name="last"),
    ]
    weights = [
        onnx.numpy_helper.from_array(np.float32([1, 2]) * k, name) for k, name in ((1, a), (3, b), (9, "unused"))
    ]
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [size, 2])
        for name, size in (("image", f"unk_{a}"), ("probabilities", f"unk_{b}"))
    ]
    found = onnx.helper.make_graph(
        [made[i] for i in order], "any", ends[:1], ends[1:], [weights[i % 3] for i in order[:3]]
    )
    return onnx.helper.make_model(found, opset_imports=[onnx.helper.make_opsetid("", 18)])


def test_order_and_names_follow_from_the_graph():
    one = canonical(graph("abcde", (0, 1, 2, 3)))
    other = canonical(graph("vwxyz", (1, 0, 2, 3)))
    assert one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)
    onnx.checker.check_model(one)
    assert [node.op_type for node in one.graph.node] == ["Mul", "Add", "Add", "Softmax"]
    assert [len(one.graph.initializer), one.graph.input[0].type.tensor_type.shape.dim[0].dim_param] == [2, "n"]
    swapped = graph("abcde", (0, 1, 2, 3))
    swapped.graph.node[0].input[1], swapped.graph.node[1].input[1] = "b", "a"
    assert canonical(swapped).SerializeToString(deterministic=True) != one.SerializeToString(deterministic=True)
