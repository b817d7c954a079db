"""`export` as a user meets it: files that other runtimes read, with the answers of `predict`; and what is refused."""

import contextlib
import importlib.util
import io
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import tiny_world
from PIL import Image

from pipeline.cli import main
from pipeline.export import formats
from pipeline.export.formats import FORMATS
from pipeline.store.files import check_sealed, read_npy, sha256_file
from pipeline.store.paths import Paths

MIXED = "transfers/to-kind"  # heads on the source and tuned networks (tests/prediction/test_members.py)
CLASSES = ["round", "square"]


def run(root, *arguments):
    with contextlib.chdir(root):
        return main(["export", *map(str, arguments)])


def installed(form):
    missing = [package for package in FORMATS[form].packages if importlib.util.find_spec(package) is None]
    if missing:
        pytest.skip(f"the extra `export` is not installed: {missing}")


@pytest.fixture(scope="module")
def picture(world, tmp_path_factory):
    """An image of another size than the network's, stored on its side, unlike those of training."""
    pixels = read_npy(Paths(world.root).dataset("toy").images)[7, ..., 0]
    path = tmp_path_factory.mktemp("new") / "image.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation
    Image.fromarray(pixels).resize((50, 41)).save(path, exif=exif)
    return path


def predicted(root, asked, picture, out):
    with contextlib.chdir(root):
        assert main(["predict", asked, str(picture), "--out", str(out)]) == 0
    return pd.read_parquet(out)[[f"p_{name}" for name in CLASSES]].to_numpy()[0]


def answer_of_the_card(folder, picture):
    """What the example in the card prints, run as it stands, in the folder of the export."""
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    shutil.copy(picture, folder / "image.png")
    said = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(said):
        exec(code, {})
    (folder / "image.png").unlink()
    found = eval(said.getvalue())
    assert list(found) == CLASSES
    return np.array(list(found.values()))


# ---- the answers of predict, in every format and of every kind of arm ------------------------------------------------


@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=[pytest.mark.slow] if form == "litert" else []) for form in FORMATS]
)
def test_a_file_answers_as_predict_does_by_the_example_in_its_card(world, picture, tmp_path, capsys, form):
    installed(form)
    out = tmp_path / "out"
    assert run(world.root, MIXED, "--format", form, "--out", out) == 0
    said = capsys.readouterr()
    assert said.out == "" and f"export: {MIXED} (chosen), as asked\n" in said.err
    assert "export: the mean of 4 networks" in said.err and said.err.endswith(f" -> {out / FORMATS[form].file}\n")
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["README.md", "classes.json", "sha256.json", FORMATS[form].file]
    )
    check_sealed(out)
    assert json.loads((out / "classes.json").read_text("utf-8")) == CLASSES
    expected = predicted(world.root, MIXED, picture, tmp_path / "table.parquet")
    np.testing.assert_allclose(answer_of_the_card(out, picture), expected, atol=1e-5)


@pytest.mark.slow
def test_a_file_that_resizes_answers_as_predict_does_by_the_example_in_its_card(world, picture, tmp_path, capsys):
    """Of an image on its side, 41 x 50 pixels; the network takes 32 x 32."""
    installed("onnx")
    out = tmp_path / "out"
    assert run(world.root, MIXED, "--format", "onnx", "--resize", "--out", out) == 0
    assert ", resized inside or by Pillow by " in capsys.readouterr().err
    text = (out / "README.md").read_text(encoding="utf-8")
    assert "picture.resize" not in text and "pixels differ by\n1 of 255 grey levels at most" in text
    expected = predicted(world.root, MIXED, picture, tmp_path / "table.parquet")
    np.testing.assert_allclose(answer_of_the_card(out, picture), expected, atol=5e-3)


@pytest.mark.parametrize(
    "form", ["onnx", *(pytest.param(form, marks=pytest.mark.slow) for form in ("keras", "litert"))]
)
def test_two_exports_are_the_same_bytes(world, tmp_path, form):
    installed(form)
    for name in ("one", "two"):
        assert run(world.root, "baselines/defect-tiny", "--format", form, "--out", tmp_path / name) == 0
    assert sha256_file(tmp_path / "one" / "sha256.json") == sha256_file(tmp_path / "two" / "sha256.json")


@pytest.mark.parametrize("asked", [MIXED, "baselines/defect-again"])
def test_networks_are_of_keras_own_layers(world, tmp_path, asked):
    from pipeline.networks.graph import flat_layers
    from pipeline.networks.saving import load_model

    assert run(world.root, asked, "--format", "keras", "--out", tmp_path / "out") == 0
    network = load_model(tmp_path / "out" / "model.keras")
    assert (network.input.dtype, network.input_shape) == ("uint8", (None, 32, 32, 3))
    assert {type(layer).__module__.partition(".")[0] for layer in flat_layers(network)} == {"keras"}


@pytest.mark.parametrize("asked", [MIXED, "transfers/to-defect", "baselines/defect-tiny"])
def test_refit_is_one_network_of_all_images(world, tmp_path, capsys, asked):
    from pipeline.networks.saving import load_model

    assert run(world.root, asked, "--format", "keras", "--out", tmp_path / "out", "--refit") == 0
    said = capsys.readouterr().err
    assert "trained on all 48 images for" in said
    assert "trained on all 48 images for" in (tmp_path / "out" / "README.md").read_text("utf-8")
    names = {layer.name for layer in load_model(tmp_path / "out" / "model.keras").layers}
    assert {name for name in names if name.startswith("network")} == {"network0"}
    assert ("backbone0" in names) == ("one network (head)" in said)


def test_a_refitted_network_from_pixels_trains_what_the_arm_trained(world):
    """In the same order: depths, and so learning rates, are by variable."""
    from pipeline.arms.networks import TunedNetwork
    from pipeline.export.refit import FromPixels
    from pipeline.store.files import read_json

    paths = Paths(world.root)
    head, cut = paths.trained("heads", "to-defect").arm("head"), read_json(paths.features("to-defect").cost)["cut"]
    tuned = TunedNetwork(paths.source("tiny").backbone, head.model(0), cut, tiny_world.SIZE, "frozen")
    plain, whole = (network.build(0.0, 0.0, 1) for network in (tuned, FromPixels(tuned)))
    assert cut != plain.whole.layers[0].name  # something is frozen
    names = [
        [variable.path.split("/")[-2:] for variable in each.trained.trainable_variables] for each in (plain, whole)
    ]
    assert names[0] == names[1] and len(names[0]) == len(whole.depth)


# ---- the card --------------------------------------------------------------------------------------------------------


def test_the_card_has_the_verdict_and_the_chain_of_licences(world, tmp_path):
    from ruamel.yaml import YAML

    from pipeline.results.result import read_result

    assert run(world.root, "to-defect", "--format", "keras", "--out", tmp_path / "out") == 0
    assert json.loads((tmp_path / "out" / "classes.json").read_text("utf-8")) == sorted(
        [tiny_world.BAD, tiny_world.GOOD]
    )
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    found = YAML(typ="safe", pure=True).load(text.split("---\n")[1])
    quality, gain = found["model-index"][0]["results"][0]["metrics"]
    result = read_result(Paths(world.root).question("to-defect").result)
    arm = result.against if result.label == "negative" else result.arm
    assert quality["value"] == pytest.approx(result.arms[arm]["balanced_accuracy"])
    assert (gain["value"], gain["args"]["ci_low"]) == (result.gain, result.ci_low)
    assert "| images: toy | CC0\\-1.0 |" in text or "| images: toy | CC0-1.0 |" in text


def test_licences_go_back_to_the_first_source(world):
    from pipeline.config.loading import check_params
    from pipeline.export.licences import licences

    params = check_params(world.raw)
    transfer = params.transfers["to-defect"].model_copy(update={"source": "round-defect"})
    params = params.model_copy(update={"transfers": {"x": transfer}})
    rows = licences(params, Paths(world.root), "transfers/x", "defect")
    assert [row.what for row in rows] == ["images: toy", "weights: round-defect", "weights: tiny"]
    assert licences(params, Paths(world.root), "baselines/defect-tiny", "defect")[1].origin == "random initial weights"


# ---- what is refused, and what then is left --------------------------------------------------------------------------


def refused(capsys, root, *arguments):
    assert run(root, *arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and "Traceback" not in said.err and len(said.err.splitlines()) <= 12
    return said.err


def test_a_file_that_answers_otherwise_leaves_the_earlier_export(world, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert run(world.root, "baselines/defect-tiny", "--format", "keras", "--out", out) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    wrong = FORMATS["keras"]._replace(predict=lambda path, images: np.full((len(images), 2), 0.5))
    monkeypatch.setitem(formats.FORMATS, "keras", wrong)
    said = refused(capsys, world.root, "baselines/defect-tiny", "--format", "keras", "--out", out)
    assert "answers otherwise than Keras" in said and "Nothing was written" in said
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_without_the_extra_one_message_says_how_to_install_it(world, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(formats.FORMATS, "onnx", FORMATS["onnx"]._replace(packages=("not_there_a", "not_there_b")))
    said = refused(capsys, world.root, "to-defect", "--format", "onnx", "--out", tmp_path / "out")
    assert "not_there_a, not_there_b" in said and "pip install -c constraints.txt -e '.[export]'" in said
    assert not (tmp_path / "out").exists()


def test_only_onnx_resizes(world, tmp_path, capsys):
    said = refused(capsys, world.root, "to-defect", "--format", "litert", "--resize", "--out", tmp_path / "out")
    assert "--resize is for --format onnx" in said and not (tmp_path / "out").exists()


def test_a_folder_of_the_users_is_not_replaced(world, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("x")
    assert "no earlier export" in refused(capsys, world.root, "to-defect", "--format", "keras", "--out", tmp_path)
    file = tmp_path / "thesis.txt"
    assert "no earlier export" in refused(capsys, world.root, "to-defect", "--format", "keras", "--out", file)
    assert file.read_text() == "x"


def test_too_large_a_network_for_a_format_is_told_before_it_is_written(tmp_path):
    class Large:
        def count_params(self):
            return 10**9

    with pytest.raises(formats.InputError, match=r"has 4,000 MB.*--refit"):
        formats.write_checked("onnx", Large(), np.empty(0), tmp_path / "model.onnx")


def test_networks_of_adaptations_are_not_there_to_export(world, tmp_path, capsys):
    from pipeline.results.result import read_result

    label = read_result(Paths(world.root).question("round-to-square").result).label
    said = refused(capsys, world.root, "round-to-square", "--format", "keras", "--out", tmp_path / "out")
    assert "networks of an adaptation are not kept" in said and label != ""
