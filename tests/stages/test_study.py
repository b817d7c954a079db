"""study: a transfer at growing shares of the labels, in miniature, from params to the report."""

import copy
import shutil

import pandas as pd
import pytest
import tiny_world

from pipeline.config.loading import check_params
from pipeline.reporting import studies, table
from pipeline.store.errors import ParamsError
from pipeline.store.files import check_sealed, read_json, read_parquet
from pipeline.store.paths import Paths

NAME, SHARES = "labels", {"half": 0.5, "whole": 1.0}


def with_study(raw):
    """A copy of params whose transfer `to-defect` is put at half and at all of the labels."""
    raw = copy.deepcopy(raw)
    for name, share in SHARES.items():
        raw["targets"][name] = {**raw["targets"]["defect"], "train_fraction": share}
        raw["baselines"][name] = {**raw["baselines"]["defect-tiny"], "target": name}
        raw["transfers"][name] = {**raw["transfers"]["to-defect"], "target": name, "baseline": name}
    raw["studies"] = {NAME: {"transfers": ["whole", "half"]}}  # their order does not matter
    return raw


@pytest.fixture(scope="module")
def studied(world, tmp_path_factory):
    root = tmp_path_factory.mktemp("study") / "copy"
    shutil.copytree(world.root, root)
    tiny_world.write_params(root, with_study(world.raw))
    for stage in ("split", "extract", "forecast", "head", "tune", "scratch", "evaluate"):
        for name in SHARES:
            tiny_world.run_cell(root, stage, name)
    tiny_world.run_cell(root, "study", NAME)
    tiny_world.run_cell(root, "report", None)
    return root


@pytest.fixture(scope="module")
def found(studied):
    check_sealed(Paths(studied).transfer(NAME).folder)
    return read_json(Paths(studied).transfer(NAME).verdict)


def test_fewer_labels_are_learnt_from_and_the_same_images_tested(studied, found):
    half, whole = (read_parquet(Paths(studied).target(name).examples) for name in SHARES)
    assert half["fold"].equals(whole["fold"])
    assert found["images"] == [12.0, 24.0] and found["fractions"] == [0.5, 1.0]
    trained = [read_json(Paths(studied).arm("tune", name).cost)["folds"][0]["train_images"] for name in SHARES]
    assert trained[0] < trained[1]


def test_curves_and_gains_are_those_of_the_transfers(studied, found):
    metrics = read_json(Paths(studied).report_metrics)
    for at, name in enumerate(SHARES):
        for arm in ("head", "tuned", "scratch"):
            reached = metrics[name]["arms"][arm]["balanced_accuracy"]
            assert found["curves"][arm][at]["value"] == pytest.approx(reached)
        assert found["gains"]["tuned"][at] == {key: metrics[name][key] for key in ("gain", "ci_low", "ci_high")}
    assert found["transfers"] == list(SHARES) and set(found["times"]) == {"head", "tuned"}
    rows = pd.read_csv(Paths(studied).transfer(NAME).plot("label_efficiency"))
    assert len(rows) == 6 and set(rows["arm"]) == {"head", "tuned", "scratch"}


def test_metrics_json_keeps_its_contract_and_has_the_study_beside_it(studied, found):
    metrics = read_json(Paths(studied).report_metrics)
    flag = {"controls": "failed"} if metrics["run"]["controls"] == "failed" else {}
    assert metrics["studies"] == {NAME: found | flag} and NAME not in metrics
    assert all("label" in entry for name, entry in metrics.items() if name not in ("run", "studies"))


def test_the_report_and_the_terminal_tell_what_was_saved(studied, found, capsys):
    paths = Paths(studied)
    for page in (paths.report_markdown, paths.report_html):
        text = page.read_text(encoding="utf-8")
        assert "Labels saved: labels" in text and "scratch needs" in text
    assert "share of the labels</text>" in paths.report_html.read_text(encoding="utf-8")
    table.print_table(studied)
    assert "with 50% of the labels, scratch needs" in " ".join(capsys.readouterr().out.split())


def test_without_studies_no_page_speaks_of_them(world):
    assert "studies" not in read_json(Paths(world.root).report_metrics)
    assert "Labels saved" not in Paths(world.root).report_markdown.read_text(encoding="utf-8")


def test_bounds_are_told_as_bounds():
    ends = {"ci_low": {"value": 2.04, "side": "inside"}, "ci_high": {"value": 20.0, "side": "above"}}
    assert studies.in_times({"value": {"value": 4.0, "side": "inside"}} | ends) == "4.0 times the labels [2.0, > 20.0]"
    alone = {"value": {"value": 0.5, "side": "below"}, "ci_low": None, "ci_high": None}
    assert studies.in_times(alone) == "< 0.5 times the labels"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda raw: raw["studies"][NAME].update(transfers=["half", "hole"]), r"no 'hole' in transfers.*'whole'"),
        (lambda raw: raw["studies"][NAME].update(transfers=["half"]), r"studies\.labels\.transfers: .*at least 2"),
        (lambda raw: raw["targets"]["whole"].pop("train_fraction"), r"train_fraction are \[None, 0\.5\]"),
        (lambda raw: raw["targets"]["whole"].update(train_fraction=0.5), r"train_fraction are \[0\.5, 0\.5\]"),
        (lambda raw: raw["targets"]["whole"].update(weight="sure"), "the targets differ in more than train_fraction"),
        (lambda raw: raw["transfers"]["whole"].update(unfreeze=0), "the transfers differ in more than target and"),
        (
            lambda raw: raw["transfers"].update(studies=raw["transfers"]["half"]),
            r"transfers\.studies: this name is",
        ),
    ],
)
def test_a_study_that_varies_more_than_the_labels_is_refused(world, edit, words):
    raw = with_study(world.raw)
    edit(raw)
    with pytest.raises(ParamsError, match=words):
        check_params(raw)
