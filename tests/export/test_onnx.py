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


def branching(names, swapped):
    """-5 times the image where its mean is above 2, else 7 times the image: branches use what is outside of them."""
    a, b, scaled, mean, above, result, branch = names
    h = onnx.helper

    def body(name, *nodes):
        end = h.make_tensor_value_info(nodes[-1].output[0], onnx.TensorProto.FLOAT, None)
        return h.make_graph(list(nodes), f"{name}{branch}", [], [end], [weight(3, f"{branch}_w")])

    def weight(value, name):
        return onnx.numpy_helper.from_array(np.float32(value), name)

    then = [h.make_node("Mul", ["image", a], [f"{branch}_0"]), h.make_node("Neg", [f"{branch}_0"], [f"{branch}_1"])]
    other = [
        h.make_node("Mul", [scaled, f"{branch}_w"], [f"{branch}_0"]),
        h.make_node("Add", [f"{branch}_0", "image"], [f"{branch}_1"]),
    ]
    made = [
        h.make_node("Mul", ["image", b], [scaled]),
        h.make_node("ReduceMean", ["image"], [mean], keepdims=0),
        h.make_node("Greater", [mean, b], [above]),
        h.make_node("If", [above], [result], then_branch=body("then", *then), else_branch=body("else", *other)),
        h.make_node("Identity", [result], ["probabilities"]),
    ]
    ends = [h.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["m", 2]) for name in ("image", "probabilities")]
    weights = [weight(5, a), weight(2, b)]
    if swapped:
        made[:2], weights = made[1::-1], weights[::-1]
    found = h.make_graph(made, "any", ends[:1], ends[1:], weights)
    return h.make_model(found, opset_imports=[h.make_opsetid("", 18)], ir_version=8)


def test_what_bodies_of_a_condition_take_from_outside_keeps_its_meaning():
    runtime = pytest.importorskip("onnxruntime")
    one = canonical(branching([f"n{i}" for i in range(7)], swapped=False))
    other = canonical(branching(["tensor3", "tensor2", "c", "d", "e", "f", "tensor9"], swapped=True))
    assert one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)
    onnx.checker.check_model(one, full_check=True)
    for image in (np.full((3, 2), 4, "float32"), np.full((3, 2), 1, "float32")):
        expected, found = (
            runtime.InferenceSession(model.SerializeToString()).run(None, {"image": image})[0]
            for model in (branching("abcdefg", swapped=False), one)
        )
        assert np.array_equal(expected, found)
