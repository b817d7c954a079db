"""report: what params name and nothing else, in finite numbers, on pages that hostile labels cannot break."""

import json
import shutil
from html.parser import HTMLParser

import pandas as pd
import pytest
import tiny_world

from pipeline.frame.errors import InputError
from pipeline.frame.io import read_json
from pipeline.frame.paths import Paths

NUMBERS = {"gain", "ci_low", "ci_high", "p_holm"}
METRICS = {"balanced_accuracy", "accuracy", "macro_f1", "roc_auc", "log_loss", "ece"}


@pytest.fixture(scope="module")
def paths(world):
    return Paths(world.root)


@pytest.fixture(scope="module")
def metrics(paths):
    return json.loads(paths.report_metrics.read_text(encoding="utf-8"), parse_constant=pytest.fail)


def test_metrics_have_one_object_a_transfer_and_the_run(metrics):
    assert list(metrics) == ["run", "to-defect", "to-kind"]  # sorted: the order of params does not show
    run = {"metric": "balanced_accuracy", "protocol": "grouped", "folds": 2, "image_size": 32, "controls": None}
    assert metrics["run"] == run


@pytest.mark.parametrize("transfer", ["to-defect", "to-kind"])
def test_an_entry_has_the_schema_that_others_rely_on(metrics, transfer):
    entry = metrics[transfer]
    assert (entry["setting"], entry["arm"]) == ("inductive", "tuned")
    assert entry["label"] in ("positive", "negative")
    assert entry["evidence"] in ("conclusive", "equivalent", "inconclusive")
    assert set(entry["arms"]) == {"head", "tuned", "scratch"}
    assert {"transfer_gflops", "scratch_gflops", "saved"} <= set(entry["compute"])
    numbers = [entry[key] for key in NUMBERS] + [entry["equal_compute"][key] for key in NUMBERS]
    for arm in entry["arms"].values():
        assert set(arm) == METRICS
        numbers += arm.values()
    assert all(number is None or isinstance(number, float) for number in numbers)
    assert entry["ci_low"] <= entry["gain"] <= entry["ci_high"]


def test_p_is_adjusted_for_the_number_of_transfers(paths, metrics):
    p = {name: verdict_of(paths, name)["p"] for name in ("to-defect", "to-kind")}
    small, large = sorted(p, key=p.get)
    assert metrics[small]["p_holm"] == pytest.approx(min(1, 2 * p[small]))
    assert metrics[large]["p_holm"] == pytest.approx(max(metrics[small]["p_holm"], p[large]))


def verdict_of(paths, name):
    return read_json(paths.transfer(name).verdict)["verdicts"]["tuned"]


def test_cost_has_the_clock_of_every_stage(paths):
    cost = read_json(paths.report_cost)
    for stages in cost.values():
        assert set(stages) == {"source", "extract", "head", "tune", "scratch"}
        assert all(clock["seconds"] > 0 and clock["device"] == "cpu" for clock in stages.values())


def test_plots_are_rows_of_every_transfer_with_labels_as_they_are(paths):
    for plot in ("gain", "learning_curves", "roc", "confusion", "calibration"):
        rows = pd.read_csv(paths.plots / f"{plot}.csv", dtype=str, keep_default_na=False)
        assert set(rows["transfer"]) == {"to-defect", "to-kind"}, plot
        if plot == "confusion":
            labels = set(rows[rows["transfer"] == "to-defect"]["actual"])
            assert labels == {tiny_world.BAD, tiny_world.GOOD}


def test_pages_tell_every_transfer_its_label_and_its_numbers(paths, metrics):
    pages = [paths.report_markdown.read_text(encoding="utf-8"), paths.report_html.read_text(encoding="utf-8")]
    for name in ("to-defect", "to-kind"):
        for page in pages:
            assert f"{name}: {metrics[name]['label']}, {metrics[name]['evidence']}" in page
            assert f"{metrics[name]['gain']:+.3f}" in page
    assert "CC0-1.0" in pages[0] and "CC0-1.0" in pages[1]  # the data's licence
    assert all("not stopped improving" in page for page in pages)  # two epochs are no baseline


class Tags(HTMLParser):
    """The tags of a page and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = set(), []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text.append(data)


def test_labels_and_cards_cannot_put_markup_into_the_page(paths):
    page = Tags(paths.report_html.read_text(encoding="utf-8"))
    assert "script" not in page.tags and "b" not in page.tags
    assert any(tiny_world.BAD in text for text in page.text)  # shown as the text that it is
    assert any("Toys <b>" in text for text in page.text)


def test_markdown_tables_keep_their_columns(paths):
    lines = paths.report_markdown.read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if "<script" in line.replace("\\<", "") or "Toys <b>" in line]
    header = next(line for line in lines if line.startswith("| transfer"))
    rows = [line for line in lines if line.startswith("| to-")]
    assert len(rows) == 2 and {row.count("|") for row in rows} == {header.count("|")}


# ---- what params name ------------------------------------------------------------------------------------------------


def everything(paths):
    files = [paths.report_metrics, paths.report_cost, paths.report_markdown, paths.report_html]
    return {path.name: path.read_bytes() for path in [*files, *sorted(paths.plots.glob("*.csv"))]}


def test_a_report_that_runs_twice_leaves_the_same_bytes(paths, world_copy):
    copy = world_copy()
    tiny_world.run_cell(copy.root, "report", None)
    assert everything(Paths(copy.root)) == everything(paths)


def test_a_transfer_that_is_gone_from_params_is_gone_from_every_report(world_copy):
    """Its files still lie about, as DVC leaves them."""
    copy = world_copy()
    del copy.raw["transfers"]["to-kind"]
    tiny_world.write_params(copy.root, copy.raw)
    tiny_world.run_cell(copy.root, "report", None)
    assert Paths(copy.root).transfer("to-kind").folder.exists()
    for name, content in everything(Paths(copy.root)).items():
        assert b"to-kind" not in content, name
        assert b"to-defect" in content, name


def test_the_order_of_entries_in_params_changes_no_figure(paths, world_copy):
    copy = world_copy()
    for section in ("transfers", "targets", "baselines"):
        copy.raw[section] = dict(reversed(copy.raw[section].items()))
    tiny_world.write_params(copy.root, copy.raw)
    tiny_world.run_cells(copy.root, "split", "evaluate", "report")
    before, after = everything(paths), everything(Paths(copy.root))
    assert after["metrics.json"] == before["metrics.json"]
    assert after["cost.json"] == before["cost.json"]
    for name in ("gain.csv", "roc.csv", "confusion.csv"):
        assert sorted(after[name].splitlines()) == sorted(before[name].splitlines()), name


def test_a_verdict_that_is_missing_is_refused_by_name(world_copy):
    copy = world_copy()
    shutil.rmtree(Paths(copy.root).transfer("to-kind").folder)
    with pytest.raises(InputError, match=r"to-kind is absent or was never finished"):
        tiny_world.run_cell(copy.root, "report", None)
