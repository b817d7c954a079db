"""report: what params name and nothing else, in finite numbers, on pages that hostile labels cannot break."""

import base64
import itertools
import json
import shutil
from html.parser import HTMLParser

import adapted
import pandas as pd
import pytest
import tiny_world
from pipeline.reporting.sentences import equal_quality, interval, number
from pipeline.reporting.summary import NO_SAVING, last_verdict

from pipeline.store.errors import InputError
from pipeline.store.files import read_json, seal, sha256_file, write_json
from pipeline.store.paths import Paths
from pipeline.verdict.difference import holm

NUMBERS = {"gain", "ci_low", "ci_high", "p_holm"}
UNADJUSTED = ("p_equivalence", "probability_of_improvement")
NAMED = ("defect-null", "run", "to-defect", "to-kind")
METRICS = {"balanced_accuracy", "accuracy", "macro_f1", "roc_auc", "log_loss", "ece"}


@pytest.fixture(scope="module")
def paths(world):
    return Paths(world.root)


@pytest.fixture(scope="module")
def metrics(paths):
    return json.loads(paths.report_metrics.read_text(encoding="utf-8"), parse_constant=pytest.fail)


def test_metrics_have_one_object_a_transfer_and_the_run(metrics):
    # sorted: the order of params does not show
    assert [name for name in metrics if name in NAMED] == ["defect-null", "run", "to-defect", "to-kind"]
    run = {"metric": "balanced_accuracy", "protocol": "grouped", "folds": 2, "image_size": 32}
    assert {key: metrics["run"][key] for key in run} == run


@pytest.mark.parametrize("transfer", ["to-defect", "to-kind"])
def test_an_entry_has_the_schema_that_others_rely_on(paths, metrics, transfer):
    entry = metrics[transfer]
    assert (entry["setting"], entry["arm"]) == ("inductive", "tuned")
    assert entry["label"] in ("positive", "negative")
    assert entry["evidence"] in ("conclusive", "equivalent", "inconclusive")
    assert set(entry["arms"]) == {"head", "tuned", "scratch"}
    assert {"transfer_gflops", "scratch_gflops", "saved", "sweep_gflops"} <= set(entry["compute"])
    for arm in entry["arms"]:
        parts = [entry["compute"][part][arm] for part in ("forward_gflops", "backward_gflops")]
        assert sum(parts) == pytest.approx(entry["compute"][f"{arm}_gflops"]) and min(parts) > 0
    assert set(entry["cost_to_equal_quality"]) == {"gflops", "scratch_gflops", "ratio", "reached", "reason"}
    assert (entry["kind"], entry["source"], entry["compute"]["pretraining_gflops"]) == ("transfer", "tiny", None)
    assert entry["compute"]["saved_amortised"] is None and entry["compute"]["pretraining_reason"]  # of a file
    numbers = [entry[key] for key in NUMBERS] + [entry["equal_compute"][key] for key in NUMBERS]
    judged = read_json(paths.transfer(transfer).verdict)["verdicts"]["tuned"]
    assert {key: entry[key] for key in UNADJUSTED} == {key: judged[key] for key in UNADJUSTED}
    assert (entry["images_needed"] is None) == (entry["folds_needed"] is None)
    for arm in entry["arms"].values():
        assert set(arm) == METRICS
        numbers += arm.values()
    assert all(number is None or isinstance(number, float) for number in numbers)
    assert entry["ci_low"] <= entry["gain"] <= entry["ci_high"]


def test_p_is_adjusted_for_the_number_of_transfers_and_adaptations_but_not_of_controls(paths, metrics):
    family = ("to-defect", "to-kind", "round-to-square")
    p = {name: last_verdict(read_json(paths.transfer(name).verdict)).p for name in family}
    adjusted = holm(p)
    assert {name: metrics[name]["p_holm"] for name in family} == pytest.approx(adjusted)
    assert adjusted[min(p, key=p.get)] == pytest.approx(min(1, 3 * min(p.values())))
    assert metrics["defect-null"]["p_holm"] is None


def test_cost_has_the_clock_of_every_stage(paths):
    cost = read_json(paths.report_cost)
    assert set(cost["defect-null"]) == {"control", "again", "scratch"}
    assert set(cost["round-to-square"]) == {"pretrain", "adapt"}
    for name in ("to-defect", "to-kind"):
        assert set(cost[name]) == {"source", "extract", "forecast", "head", "tune", "scratch"}
    for stages in cost.values():
        for clock in (clock for step, clock in stages.items() if step != "control"):
            assert clock["seconds"] > 0 and clock["cpu_seconds"] > 0 and clock["device"] == "cpu"


def test_plots_are_rows_of_every_transfer_with_labels_as_they_are(paths):
    for plot in ("gain", "learning_curves", "saving", "roc", "confusion", "calibration"):
        rows = pd.read_csv(paths.plots / f"{plot}.csv", dtype=str, keep_default_na=False)
        assert {"to-defect", "to-kind", "defect-null"} <= set(rows["transfer"]), plot
        if plot == "confusion":
            labels = set(rows[rows["transfer"] == "to-defect"]["actual"])
            assert labels == {tiny_world.BAD, tiny_world.GOOD}


def named_fields(template):
    """The columns that a template of Vega-Lite names itself."""
    if isinstance(template, dict):
        own = {template["field"]} if isinstance(template.get("field"), str) else set()
        return own.union(*map(named_fields, template.values()))
    return set().union(*map(named_fields, template)) if isinstance(template, list) else set()


@pytest.mark.parametrize("plot", ["saving", "gain"])
def test_templates_find_the_columns_that_they_name(paths, repository, plot):
    template = json.loads((repository / ".dvc" / "plots" / f"{plot}.json").read_text())
    named = {field for field in named_fields(template) if not field.startswith("<DVC")}
    assert (
        named - {"rev"} <= set(pd.read_csv(paths.plots / f"{plot}.csv", nrows=0)) and len(named) > 3
    )  # rev: DVC's own


def test_pages_tell_every_transfer_its_label_and_its_numbers(paths, metrics):
    pages = [paths.report_markdown.read_text(encoding="utf-8"), paths.report_html.read_text(encoding="utf-8")]
    for name in ("to-defect", "to-kind"):
        for page in pages:
            assert f"{name}: {metrics[name]['label']}, {metrics[name]['evidence']}" in page
            assert f"{metrics[name]['gain']:+.3f}" in page
    assert "CC0-1.0" in pages[0] and "CC0-1.0" in pages[1]  # the data's licence
    assert all("not stopped improving" in page for page in pages)  # two epochs are no baseline
    assert all("In 2 of 2 folds scratch ran to the end of its budget of 2 epochs" in page for page in pages)
    assert all("By the clock" in page and "extract, head and tune took" in page for page in pages)


def test_contact_sheets_are_in_the_page_with_the_licence_of_their_images(paths):
    page, sheets = paths.report_html.read_text(encoding="utf-8"), []
    for name in ("to-defect", "to-kind", "defect-null"):
        file = paths.transfer(name).contact_sheet
        sheets += [file.read_bytes()] if file.exists() else []
    assert sheets and not paths.transfer("defect-null").contact_sheet.exists()
    for sheet in sheets:
        assert f'src="data:image/webp;base64,{base64.b64encode(sheet).decode()}"' in page
    assert page.count("Scaled-down images of Toys &lt;b&gt;; CC0-1.0. none") == len(sheets)


def table_of(page, first):
    """The rows of a Markdown table, found by the title of its first column."""
    lines = page.splitlines()
    head = next(index for index, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[head + 2 :])
    return [dict(zip(cells(lines[head]), cells(line.replace("\\", "")), strict=True)) for line in rows]


def test_one_table_leads_with_everything_that_has_a_verdict(paths, metrics):
    page = paths.report_markdown.read_text(encoding="utf-8")
    rows = table_of(page, "name")
    assert [row["name"] for row in rows] == ["to-defect", "to-kind", "round-to-square", "defect-null"]
    for row in rows:
        entry = metrics[row["name"]]
        control = entry.get("control")
        assert row["control"] == (control or "-")
        assert (row["setting"], row["source"]) == (entry.get("setting", "-"), entry.get("source", "-"))
        assert (row["target"], row["label"]) == (entry["target"], f"**{entry['label']}**")
        assert (row["evidence"], row["gain [95% interval]"]) == (entry["evidence"], interval(entry))
        assert row["p (Holm; of controls their own)"] == number(entry["p" if control else "p_holm"], ".2g")
        saved = entry["compute"]["saved"]
        assert row["compute saved"] == ("-" if saved is None else f"{saved:.0%}")
    assert page.index("| name |") < page.index("| transfer |") and "[report.html](report.html)" in page


@pytest.mark.parametrize("name", ["round-to-square", "defect-null"])
def test_where_no_compute_can_be_saved_there_is_a_reason_and_no_number(metrics, name):
    spent = metrics[name]["compute"]
    assert spent["saved"] is None and "scratch" in spent["saved_reason"]


def test_the_table_of_transfers_has_their_other_readings(paths, metrics):
    rows = table_of(paths.report_markdown.read_text(encoding="utf-8"), "transfer")
    for row in rows:
        entry = metrics[row["transfer"]]
        assert row["baseline"] == entry["baseline"]
        assert row["gain at equal compute"] == interval(entry["equal_compute"])
        assert row["smallest detectable gain"] == f"{entry['smallest_detectable_gain']:.3f}"
        assert row["if asked alone"] == f"{entry['detectable_alone']:.3f}"
        told = entry["forecast"]
        assert told["right"] is (told["label"] == entry["label"])
        assert row["forecast"] == f"{told['label']}, {'right' if told['right'] else 'wrong'}"
        assert row["cost to equal quality"] == equal_quality(entry["cost_to_equal_quality"])
    assert len(rows) == 2


def test_a_control_is_flagged_in_every_output(paths, metrics):
    assert metrics["defect-null"]["control"] == "null" and "control" not in metrics["to-defect"]
    for name, flag in (("defect-null", "null"), ("to-defect", None)):
        assert read_json(paths.transfer(name).verdict).get("control") == flag
        assert read_json(paths.report_cost)[name].get("control") == flag
    for plot in ("gain", "learning_curves", "saving", "roc", "confusion", "calibration"):
        rows = pd.read_csv(paths.plots / f"{plot}.csv", dtype=str, keep_default_na=False)
        assert set(rows["control"][rows["transfer"] == "defect-null"]) == {"null"}, plot
        assert set(rows["control"][rows["transfer"] != "defect-null"]) == {""}, plot


def cells(line):
    return [cell.strip() for cell in line.strip("|").split(" | ")]


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
    heads = [index for index, line in enumerate(lines) if line.startswith("|---")]
    assert len(heads) > 6
    for index in heads:
        table = [lines[index - 1], *itertools.takewhile(lambda line: line.startswith("|"), lines[index:])]
        assert len(table) > 2 and len({line.replace("\\|", "").count("|") for line in table}) == 1, table


def test_a_forecast_stands_with_what_proves_that_it_was_told_before(paths):
    sha256 = sha256_file(paths.forecast("to-defect").forecast)[:8]
    for page in (paths.report_markdown, paths.report_html):
        assert f"told before the head was trained (sha256 {sha256})" in page.read_text().replace("\\", "")


def test_a_forecast_that_was_changed_after_training_is_refused(world_copy):
    """Behind a seal that is whole: all labels turned, so as to be right."""
    copy = world_copy()
    file = Paths(copy.root).forecast("to-defect")
    told = read_json(file.forecast)
    write_json(file.forecast, told | {"label": "negative" if told["label"] == "positive" else "positive"})
    seal(file.folder)
    with pytest.raises(InputError, match=r"'to-defect' was trained: .* changed after training\. Run `dvc repro`"):
        tiny_world.run_cell(copy.root, "report", None)


# ---- what params name ------------------------------------------------------------------------------------------------


def everything(paths):
    files = [paths.report_metrics, paths.report_verdicts, paths.report_cost, paths.report_markdown, paths.report_html]
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
    for section in ("transfers", "targets", "baselines", "nulls", "adaptations"):
        copy.raw[section] = dict(reversed(copy.raw[section].items()))
    tiny_world.write_params(copy.root, copy.raw)
    tiny_world.run_cells(copy.root, "split", "evaluate", "null", "compare", "report")
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


# ---- controls, adaptations, and sources that were made here ----------------------------------------------------------


def report(world):
    """Run report; returns metrics.json and both pages."""
    paths = Paths(world.root)
    tiny_world.run_cell(world.root, "report", None)
    pages = [file.read_text(encoding="utf-8") for file in (paths.report_markdown, paths.report_html)]
    return read_json(paths.report_metrics), *pages


def settle(world, name, **fields):
    """Overwrite the last arm's verdict of an entry, seal included."""
    files = Paths(world.root).transfer(name)
    content = read_json(files.verdict)
    content["verdicts"][content["arm"]] |= fields
    write_json(files.verdict, content)
    seal(files.folder)


def test_controls_that_hold_are_told_in_the_first_line_and_stand_apart(world_copy):
    copy = world_copy()
    copy.raw["transfers"]["to-kind"]["control"] = "planted_positive"
    del copy.raw["adaptations"]
    tiny_world.write_params(copy.root, copy.raw)
    settle(copy, "defect-null", evidence="inconclusive", p=0.9)
    settle(copy, "to-kind", label="positive", gain=0.2, p=0.04)
    metrics, markdown, html = report(copy)
    assert metrics["run"]["controls"] == "held" and metrics["run"]["failed_controls"] == []
    assert (metrics["defect-null"]["control"], metrics["defect-null"]["held"]) == ("null", True)
    assert (metrics["to-kind"]["control"], metrics["to-kind"]["held"]) == ("planted_positive", True)
    assert "controls" not in metrics["to-defect"]
    # one transfer is left for Holm's adjustment, so that p stays as it is; controls are not adjusted
    assert metrics["to-defect"]["p_holm"] == metrics["to-defect"]["p"]
    assert metrics["to-kind"]["p_holm"] is None and metrics["to-kind"]["equal_compute"]["p_holm"] is None
    assert markdown.splitlines()[0].startswith("**The controls held")
    assert html[html.index("<body>") :].splitlines()[1].startswith('<p class="held">The controls held')
    assert [row["transfer"] for row in table_of(markdown, "transfer")] == ["to-defect"]
    flags = {row["name"]: row["control"] for row in table_of(markdown, "name")}
    assert flags == {"to-defect": "-", "to-kind": "planted positive", "defect-null": "null"}
    rows = pd.read_csv(Paths(copy.root).plots / "gain.csv")
    assert set(rows[rows["role"] == "controls"]["transfer"]) == {"to-kind", "defect-null"}


@pytest.mark.parametrize(
    ("control", "fields", "words"),
    [
        ("planted_negative", {"label": "positive", "gain": 0.1}, "knows nothing of use was found to help"),
        ("planted_positive", {"label": "negative", "gain": -0.1}, "a true gain may be missed"),
        ("planted_positive", {"label": None, "gain": None}, "undefined"),
    ],
)
def test_a_control_that_fails_is_told_everywhere_and_stops_nothing(world_copy, control, fields, words):
    copy = world_copy()
    copy.raw["transfers"]["to-kind"]["control"] = control
    tiny_world.write_params(copy.root, copy.raw)
    settle(copy, "to-kind", **fields)
    metrics, markdown, html = report(copy)
    assert metrics["run"]["controls"] == "failed" and "to-kind" in metrics["run"]["failed_controls"]
    assert {entry["controls"] for entry in metrics.values()} == {"failed"}  # every verdict and the run
    first = markdown.splitlines()[0], html[html.index("<body>") :].splitlines()[1]
    assert all("cannot be trusted" in line and words in line for line in first)
    for page in (markdown, html):
        assert page.count("not to be trusted, since controls") == page.count("this is not to be trusted") == 4


def test_a_run_without_controls_says_so(world_copy):
    copy = world_copy()
    del copy.raw["nulls"]
    tiny_world.write_params(copy.root, copy.raw)
    metrics, markdown, _ = report(copy)
    assert metrics["run"]["controls"] is None and "defect-null" not in metrics
    assert "no controls" in markdown.splitlines()[0] and "## Controls" not in markdown
    for content in everything(Paths(copy.root)).values():
        assert b"defect-null" not in content


@pytest.fixture
def with_adaptation(world_copy):
    copy = world_copy()
    adapted.write_adaptation(copy)
    tiny_world.run_cell(copy.root, "compare", adapted.NAME)
    return copy


def test_an_adaptation_has_an_entry_a_row_and_a_section(with_adaptation):
    metrics, markdown, html = report(with_adaptation)
    entry = metrics[adapted.NAME]
    assert (entry["kind"], entry["setting"], entry["source"]) == ("adaptation", "transductive", adapted.SOURCE)
    assert set(entry["arms"]) == set(adapted.RIGHT)
    accuracy = {arm: found["balanced_accuracy"] for arm, found in entry["arms"].items()}
    assert entry["gain"] == pytest.approx(accuracy["adapted"] - accuracy["source_only"])
    assert entry["ceiling"]["gain"] == pytest.approx(accuracy["target_supervised"] - accuracy["source_only"])
    assert entry["ceiling"]["reached"] == pytest.approx(entry["gain"] / entry["ceiling"]["gain"])
    once = {"pretraining_gflops": 30.0, "pretraining_shared_by": 1, "pretraining_share_gflops": 30.0}
    once |= {"pretraining_images_seen": 480, "pretraining_reason": "nobody says"}  # what `tiny` took is unknown
    once |= {"pretraining_backward_gflops": 19.0}
    spent = {"gflops": 5.0, "backward_gflops": {"adapted": 3.0}}
    assert entry["compute"] == {**spent, "saved": None, "saved_reason": NO_SAVING["adaptation"], **once}
    assert entry["p_holm"] is not None and [row["method"] for row in entry["candidates"]] == ["source_only", "coral"]
    for page in (markdown, html):
        assert "with target labels" in page and adapted.NAME in page
        assert "480 images seen" in page and "the labels kind, after the labels toy.defect" in page  # the source's card
        assert "30 + unknown" in page.replace("\\", "")
    assert "<i>" not in html and "<i>" not in markdown.replace("\\<", "")
    rows = pd.read_csv(Paths(with_adaptation.root).plots / "roc.csv")
    assert set(rows[rows["transfer"] == adapted.NAME]["arm"]) == set(adapted.RIGHT)


def test_an_adaptation_that_is_gone_from_params_is_gone_from_every_report(with_adaptation):
    report(with_adaptation)
    del with_adaptation.raw["adaptations"], with_adaptation.raw["pretrained"]
    tiny_world.write_params(with_adaptation.root, with_adaptation.raw)
    report(with_adaptation)
    for name, content in everything(Paths(with_adaptation.root)).items():
        assert adapted.NAME.encode() not in content and adapted.SOURCE.encode() not in content, name
