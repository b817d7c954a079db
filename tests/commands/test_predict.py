"""`predict` as a user meets it: which arm, the table, what is told, and what is refused."""

import contextlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import tiny_world
from PIL import Image
from ruamel.yaml import YAML

from pipeline.cli import main
from pipeline.config.loading import check_params
from pipeline.prediction.recommended import recommended
from pipeline.results.result import Reading
from pipeline.store.errors import InputError
from pipeline.store.files import read_json, read_npy, read_parquet, seal, write_json, write_parquet
from pipeline.store.paths import Paths


@pytest.fixture(scope="module")
def images(world, tmp_path_factory):
    """Ten of the target's images as files, one black in colour, a cut one, and a text."""
    folder = tmp_path_factory.mktemp("new")
    for row, pixels in enumerate(read_npy(Paths(world.root).dataset("toy").images)[:10]):
        Image.fromarray(pixels[..., 0]).save(folder / f"{row:02d}.png")
    red = np.zeros((40, 60, 3), "uint8")
    red[..., 0] = 255
    Image.fromarray(red).save(folder / "red.png")
    (folder / "cut.png").write_bytes((folder / "00.png").read_bytes()[:200])
    (folder / "notes.txt").write_text("x")
    return folder


def run(root, *arguments):
    with contextlib.chdir(root):
        return main(["predict", *map(str, arguments)])


def test_every_file_has_a_row_and_what_is_wrong_is_told(world, images, tmp_path, capsys):
    out = tmp_path / "out.jsonl"
    assert run(world.root, "to-defect", images, "--out", out) == 0
    rows = {row["path"].rpartition("/")[2]: row for row in map(json.loads, out.read_text("utf-8").splitlines())}
    assert list(rows) == [*(f"{row:02d}.png" for row in range(10)), "cut.png", "red.png"]
    columns = [f"p_{name}" for name in sorted([tiny_world.BAD, tiny_world.GOOD])]
    assert list(rows["00.png"]) == ["path", "label", *columns, "distance", "warning"]
    for name, row in rows.items():
        if name != "cut.png":
            assert sum(row[column] for column in columns) == pytest.approx(1)
            assert f"p_{row['label']}" == max(columns, key=row.get)
            assert (row["distance"] > 1) == ("unlike the target's images" in row["warning"])
    assert rows["cut.png"]["label"] is None and rows["cut.png"]["warning"].startswith("not predicted: damaged")
    assert "in colour, the target's images are grey" in rows["red.png"]["warning"]
    assert rows["red.png"]["distance"] > 1 and rows["00.png"]["distance"] < 1e-2  # that image is a known one
    said = capsys.readouterr()
    assert said.out == ""
    assert "cut.png: damaged" in said.err and "left out by their ending: 1 .txt" in said.err
    assert "11 images (" in said.err and "1 unreadable" in said.err and "4 networks, temperature" in said.err


def test_without_out_the_table_goes_to_standard_output_alone(world, images, capsys):
    assert run(world.root, "baselines/defect-tiny", images / "01.png", images / "red.png") == 0
    said = capsys.readouterr()
    assert said.out.startswith("path,label,p_") and said.out.count("\n") == 3
    assert said.err.startswith("predict: baselines/defect-tiny (scratch), as asked\n")


def test_predicting_writes_nothing_into_the_run(world, images, tmp_path):
    def state():
        return {path: path.stat().st_mtime_ns for path in world.root.rglob("*") if path.is_file()}

    before = state()
    assert run(world.root, "to-defect", images / "02.png", "--out", tmp_path / "out.parquet") == 0
    assert state() == before
    assert len(pd.read_parquet(tmp_path / "out.parquet")) == 1


@pytest.mark.slow
def test_predictions_do_not_depend_on_what_else_is_predicted(world, images, tmp_path, monkeypatch):
    """Nor on how many images fit into memory at once."""
    assert run(world.root, "to-kind", images, "--out", tmp_path / "all.parquet") == 0
    monkeypatch.setattr("pipeline.prediction.pixels.chunks.__defaults__", (3 * tiny_world.SIZE**2 * 5,))
    assert run(world.root, "to-kind", images, "--out", tmp_path / "few.parquet") == 0
    whole, few = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("all", "few"))
    pd.testing.assert_frame_equal(whole, few, rtol=1e-5, atol=1e-5)


# ---- which arm -------------------------------------------------------------------------------------------------------


def edited(world, **fields):
    """Write a question's verdict anew, as evaluate would have."""
    folder = Paths(world.root).question("to-defect").folder
    write_json(folder / "result.json", read_json(folder / "result.json") | fields)
    seal(folder)
    return check_params(world.raw), Paths(world.root)


@pytest.mark.parametrize("evidence", ["conclusive", "inconclusive", "equivalent"])
def test_the_better_side_is_taken_by_sign_whatever_the_evidence(world_copy, evidence):
    reading = {"ci_low": -0.2, "ci_high": 0.1, "evidence": evidence}
    world = world_copy()
    chosen = recommended(*edited(world, gain=-0.05, label="negative", **reading), "to-defect")
    assert chosen.reason == (
        "baselines/defect-tiny (scratch), over which transfers/to-defect gained -0.050 [-0.200, +0.100]: negative, "
        + evidence
    )
    assert {member.arm.folder.parent.name for member in chosen.members} == {"defect-tiny"}
    chosen = recommended(*edited(world, gain=0.05, label="positive", **reading), "to-defect")
    assert chosen.reason.startswith(
        "transfers/to-defect (chosen), which gained +0.050 [-0.200, +0.100] over baselines/"
    )
    assert {member.arm.folder.parent.name for member in chosen.members} == {"to-defect"}


def test_an_undefined_gain_leaves_the_judged_arm(world_copy):
    nothing = dict.fromkeys(("gain", "label", "ci_low", "ci_high"))
    chosen = recommended(*edited(world_copy(), **nothing), "to-defect")
    assert chosen.reason == "transfers/to-defect (chosen), whose gain over baselines/defect-tiny is undefined"


def test_evidence_is_told_as_the_report_tells_it_with_its_cautions(world_copy):
    world = world_copy()
    metrics = read_json(Paths(world.root).report_metrics)
    metrics["to-defect"] |= {"evidence": "equivalent"}
    metrics["run"] |= {"controls": "failed", "failed_controls": ["defect-null"]}
    write_json(Paths(world.root).report_metrics, metrics)
    chosen = recommended(check_params(world.raw), Paths(world.root), "to-defect")
    assert chosen.reason.endswith("equivalent")
    assert chosen.cautions == ("controls of this run failed (defect-null): do not trust its verdicts",)


def test_a_better_network_from_scratch_is_named_and_not_those_that_validation_never_preferred(world_copy):
    world = world_copy()
    metrics = read_json(Paths(world.root).report_metrics)
    reading = {key: metrics["to-defect"][key] for key in Reading.model_fields}
    outdone = {"gain": -0.03, "label": "negative", "evidence": "conclusive", "level": 0.05}
    metrics["to-defect"]["advice"] = reading | outdone | {"baselines": {"defect-tiny": 0, "small": 2}}
    write_json(Paths(world.root).report_metrics, metrics)
    (caution,) = recommended(check_params(world.raw), Paths(world.root), "to-defect").cautions
    assert caution.endswith("does better (gain over it -0.030, conclusive): try baselines/small")


def test_a_transfer_with_several_questions_needs_one_of_them(world):
    params = check_params(world.raw)
    with pytest.raises(InputError, match="Several questions ask about transfer 'only'"):
        renamed = {name: each.model_copy(update={"arm": "transfers/only"}) for name, each in params.questions.items()}
        recommended(params.model_copy(update={"questions": renamed}), Paths(world.root), "only")


# ---- what is refused -------------------------------------------------------------------------------------------------


def refused(capsys, root, *arguments):
    assert run(root, *arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and "Traceback" not in said.err
    assert len(said.err.splitlines()) <= 12
    return said.err


def test_names_and_paths_that_do_not_exist(world, images, tmp_path, capsys):
    assert "did you mean 'to-defect'?" in refused(capsys, world.root, "to-defetc", images)
    assert "did you mean 'baselines/defect-tiny'?" in refused(capsys, world.root, "baselines/defect-tin", images)
    assert "There is no" in refused(capsys, world.root, "to-defect", tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    assert "no image there" in refused(capsys, world.root, "to-defect", tmp_path / "empty")


def test_networks_that_are_not_kept(world, images, capsys):
    """The remedy is an entry that params allow."""
    for asked in ("round-to-square", "adaptations/round-to-square", "unadapted/round-to-square"):
        said = refused(capsys, world.root, asked, images)
        assert "networks of an adaptation are not kept" in said and "Target 'square-defect' has no other arm" in said
        lines = [line.removeprefix("  - ") for line in said.splitlines() if line.startswith("  - ")]
        advised = YAML(typ="safe", pure=True).load("\n".join(lines).replace(" with the architecture of the source", ""))
        advised["baselines"]["NAME"] = {**world.raw["baselines"]["defect-tiny"], "target": "square-defect"}
        check_params(world.raw | {section: world.raw[section] | entries for section, entries in advised.items()})


def test_a_run_that_is_not_finished(toy, images, capsys):
    assert "was never finished. Run `dvc repro`" in refused(capsys, toy, "to-defect", images)
    assert "was never finished. Run `dvc repro`" in refused(capsys, toy, "baselines/defect-tiny", images)


def test_nothing_that_can_be_read(world, images, capsys):
    said = refused(capsys, world.root, "to-defect", images / "cut.png", images / "notes.txt")
    assert "None of 2 images can be read" in said


def test_networks_that_changed_after_the_verdict(world_copy, images, capsys):
    world = world_copy()
    for section, name in (("transfers", "to-defect"), ("baselines", "defect-tiny")):
        trained = Paths(world.root).trained(section, name)
        for arm in read_json(trained.facts)["arms"]:
            table = read_parquet(trained.arm(arm).predictions)
            columns = [column for column in table if column.startswith("p_")]
            write_parquet(trained.arm(arm).predictions, table.assign(**{c: 1 - table[c] for c in columns}))
        seal(trained.folder)
    assert "changed after its verdict" in refused(capsys, world.root, "to-defect", images)


def test_a_network_that_is_damaged(world_copy, images, capsys):
    world = world_copy()
    shutil.rmtree(Paths(world.root).trained("baselines", "defect-tiny").arm("scratch").folder)
    assert "is damaged" in refused(capsys, world.root, "baselines/defect-tiny", images)
