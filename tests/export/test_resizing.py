"""Resizing inside an ONNX file gives the pixels of Pillow, one after another where an image is resized twice."""

import numpy as np
import pytest

from pipeline.datasets.images import resized
from pipeline.export import as_onnx
from pipeline.export.resizing import MOSAICS, add_resizing, mosaics
from pipeline.store.errors import InputError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SIDES = [20, 12]
NOISE = np.random.default_rng(3).integers(64, 192, (9, 12, 12, 3)).astype("uint8")


class Mean:
    """Stands for a network: the share of red and the rest, where `wrong` by something else."""

    def __init__(self, wrong=0.0):
        self.wrong = wrong

    def predict_on_batch(self, images):
        share = images[..., 0].astype("float32").mean((1, 2)) / 255
        return np.stack([share, 1 - share], axis=1) + np.float32(self.wrong)


@pytest.fixture
def file(tmp_path):
    """The same network as ONNX, from images of 12 x 12 pixels."""
    h = onnx.helper
    red, one = (
        onnx.numpy_helper.from_array(np.float32(value), name) for name, value in (("red", [1, 0, 0]), ("one", 1))
    )
    scale = onnx.numpy_helper.from_array(np.float32(3 / 255), "scale")
    nodes = [
        h.make_node("Cast", ["image"], ["pixels"], to=onnx.TensorProto.FLOAT),
        h.make_node("Mul", ["pixels", "red"], ["reds"]),
        h.make_node("ReduceMean", ["reds", "axes"], ["mean"], keepdims=0),
        h.make_node("Mul", ["mean", "scale"], ["share"]),
        h.make_node("Sub", ["one", "share"], ["rest"]),
        h.make_node("Unsqueeze", ["share", "last"], ["a"]),
        h.make_node("Unsqueeze", ["rest", "last"], ["b"]),
        h.make_node("Concat", ["a", "b"], ["probabilities"], axis=1),
    ]
    axes, last = (
        onnx.numpy_helper.from_array(np.array(value), name) for name, value in (("axes", [1, 2, 3]), ("last", [1]))
    )
    ends = [
        h.make_tensor_value_info("image", onnx.TensorProto.UINT8, ["n", 12, 12, 3]),
        h.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, ["n", 2]),
    ]
    graph = h.make_graph(nodes, "network", ends[:1], ends[1:], [red, one, scale, axes, last])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", as_onnx.OPSET)], ir_version=8)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    return tmp_path / "model.onnx"


def test_pictures_of_any_size_get_the_answer_of_those_that_pillow_resized(file):
    found = add_resizing(file, Mean(), NOISE, SIDES)
    assert found.levels <= 2 and found.share < 0.2 and found.probability < 1e-3
    large = np.random.default_rng(4).integers(64, 192, (2, 70, 31, 3)).astype("uint8")
    small = np.stack([resized(resized(picture, 20), 12) for picture in large])
    np.testing.assert_allclose(as_onnx.predict(file, large), Mean().predict_on_batch(small), atol=1e-3)
    assert onnx.load(str(file)).graph.input[0].type.tensor_type.shape.dim[1].dim_param == "height"
    assert [path.name for path in file.parent.iterdir()] == ["model.onnx"]


def test_other_answers_are_refused(file):
    with pytest.raises(InputError, match=r"up to 0\.05, allowed is 0\.02.*Export without --resize"):
        add_resizing(file, Mean(wrong=0.05), NOISE, SIDES)


def test_pictures_are_smaller_and_larger_than_the_network_takes():
    found = mosaics(NOISE)
    assert [part.shape for part in found] == [(3, 24, 36, 3), (2, 36, 24, 3), (2, 24, 24, 3), (2, 7, 10, 3)]
    assert np.array_equal(found[0][1][:12, :24], np.concatenate([NOISE[4], NOISE[5]], axis=1))
    assert len(mosaics(NOISE[:2])) == 2 and len(MOSAICS) == 4
