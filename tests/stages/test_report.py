"""report: what params name and nothing else, in finite numbers, on pages that hostile labels cannot break."""

import errno
import itertools
import json
import re
import shutil
import xml.etree.ElementTree as ElementTree
from functools import partial
from html.parser import HTMLParser

import pandas as pd
import pytest
import tiny_world

from pipeline.report.answers import answer
from pipeline.report.words import equal_quality, evidence_of, forecast_words, interval, number
from pipeline.results.result import read_result
from pipeline.results.run import Run
from pipeline.stages import report as stage
from pipeline.store.errors import InputError
from pipeline.store.files import read_json, seal, sha256_file, write_json
from pipeline.store.paths import Paths
from pipeline.verdict.holm import holm

NULL, ADAPTATION, TRANSFERS = "defect-null", "round-to-square", ("to-defect", "to-kind")
METRICS = {"balanced_accuracy", "accuracy", "macro_f1", "roc_auc", "log_loss", "ece"}
PLOTS = ("gain", "learning_curves", "saving", "roc", "confusion", "calibration")


@pytest.fixture(scope="module")
def paths(world):
    return Paths(world.root)


@pytest.fixture(scope="module")
def metrics(paths):
    return json.loads(paths.report_metrics.read_text(encoding="utf-8"), parse_constant=pytest.fail)


@pytest.fixture(scope="module")
def results(metrics):
    return Run.from_metrics(metrics).results


def test_metrics_have_one_object_a_question_and_the_run(metrics):
    assert set(metrics) == {NULL, ADAPTATION, *TRANSFERS, "run"}
    run = {
        "metric": "balanced_accuracy",
        "protocol": "grouped",
        "folds": 2,
        "repeats": 2,
        "image_size": 32,
        "alpha": 0.05,
    }
    assert {key: metrics["run"][key] for key in run} == run


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_an_entry_has_the_schema_that_others_rely_on(paths, metrics, transfer):
    entry = metrics[transfer]
    assert (entry["kind"], entry["setting"], entry["source"], entry["arm"]) == (
        "transfer",
        "inductive",
        "tiny",
        "chosen",
    )
    assert entry["label"] in ("positive", "negative")
    assert entry["evidence"] in ("conclusive", "equivalent", "inconclusive")
    assert set(entry["arms"]) == {"head", "tuned", "chosen", "scratch"} and "details" not in entry
    for arm, spent in entry["compute"]["arms"].items():
        parts = [spent["forward_gflops"], spent["backward_gflops"]]
        assert sum(parts) == pytest.approx(spent["gflops"]) and min(parts) > 0
        assert set(entry["arms"][arm]) == METRICS
    assert entry["compute"]["pretraining"]["gflops"] is None and entry["compute"]["pretraining"]["reason"]  # of a file
    assert entry["compute"]["saved_amortised"] is None
    judged = read_result(paths.question(transfer).result)
    unadjusted = {"gain", "p", "not_worse", "repeats", "trainings", "level"}
    unadjusted |= {"probability_of_improvement", "cost_to_equal_quality"}
    assert {key: entry[key] for key in unadjusted} == {key: judged.model_dump(mode="json")[key] for key in unadjusted}
    assert entry["ci_low"] <= entry["gain"] <= entry["ci_high"]


def test_p_is_adjusted_for_the_number_of_questions_but_not_of_controls(paths, metrics):
    family = (*TRANSFERS, ADAPTATION)
    p = {name: read_result(paths.question(name).result).p for name in family}
    adjusted = holm(p)
    assert {name: metrics[name]["p_holm"] for name in family} == pytest.approx(adjusted)
    assert adjusted[min(p, key=p.get)] == pytest.approx(min(1, 3 * min(p.values())))
    assert metrics[NULL]["p_holm"] is None


def test_cost_has_the_clock_of_every_step(paths):
    cost = read_json(paths.report_cost)
    assert set(cost[NULL]) == {"control", "again", "scratch"} and set(cost[ADAPTATION]) == {"pretrain", "adapt"}
    for name in TRANSFERS:
        assert set(cost[name]) == {"source", "extract", "forecast", "head", "tune", "scratch"}
    for steps in cost.values():
        for clock in (clock for step, clock in steps.items() if step != "control"):
            assert clock["seconds"] > 0 and clock["cpu_seconds"] > 0 and clock["device"] == "cpu"


def read_plot(paths, plot):
    return pd.read_csv(paths.plots / f"{plot}.csv", dtype=str, keep_default_na=False)


def test_plots_are_rows_of_every_question_with_labels_as_they_are(paths):
    for plot in PLOTS:
        assert {*TRANSFERS, NULL} <= set(read_plot(paths, plot)["question"]), plot
    rows = read_plot(paths, "confusion")
    assert set(rows[rows["question"] == "to-defect"]["actual"]) == {tiny_world.BAD, tiny_world.GOOD}


def named_fields(template):
    """The columns that a template of Vega-Lite names itself."""
    if isinstance(template, dict):
        own = {template["field"]} if isinstance(template.get("field"), str) else set()
        return own.union(*map(named_fields, template.values()))
    return set().union(*map(named_fields, template)) if isinstance(template, list) else set()


@pytest.mark.parametrize("plot", ["saving", "gain", "confusion"])
def test_templates_find_the_columns_that_they_name(paths, repository, plot):
    template = json.loads((repository / ".dvc" / "plots" / f"{plot}.json").read_text())
    named = {field for field in named_fields(template) if not field.startswith("<DVC")}
    named -= {"rev"} | {step["as"] for step in template.get("transform", ()) if "as" in step}  # rev: DVC's own
    columns = set(pd.read_csv(paths.plots / f"{plot}.csv", nrows=0))
    text = json.dumps(template)
    read = {word for word in re.findall(r"datum\.(\w+)", text) if f'"as": "{word}"' not in text}
    assert named | read and named | read <= columns


def pages(paths):
    return [file.read_text(encoding="utf-8") for file in (paths.report_markdown, paths.report_html)]


def test_pages_have_every_questions_label_and_numbers(paths, metrics, results):
    for page in pages(paths):
        for name in TRANSFERS:
            answered = answer(results[name], Run.from_metrics(metrics).facts)
            assert answered.replace("'", "&#39;") in page.replace("\\", "").replace("'", "&#39;")
            assert f"{metrics[name]['gain']:+.3f}" in page
        assert "CC0-1.0" in page  # the data's licence
        assert "scratch: still improving when its budget ended" in page  # two epochs are no baseline
        assert "scratch was still improving" in page
        assert "In 4 of 4 folds scratch ran to the end of its budget of 2 epochs" in page
        assert "By the clock" in page and "extract, head and tune took" in page


def test_a_report_in_spanish_has_the_same_metrics(world_copy, paths):
    copy = world_copy()
    copy.raw["report"] = {"language": "es"}
    _, markdown, html = report(copy)
    assert '<html lang="es">' in html and "# ¿Compensa la transferencia?" in markdown
    assert "ganancia en exactitud balanceada" in Paths(copy.root).report_gain.read_text(encoding="utf-8")
    for name in ("report_metrics", "report_verdicts"):
        assert getattr(Paths(copy.root), name).read_bytes() == getattr(paths, name).read_bytes()


def test_the_forest_plot_stands_by_itself_and_in_both_pages(paths):
    svg = paths.report_gain.read_text(encoding="utf-8")
    text = "".join(ElementTree.fromstring(svg).itertext())
    assert all(name in text for name in (*TRANSFERS, ADAPTATION, NULL))
    markdown, html = pages(paths)
    assert f"]({paths.report_gain.name})" in markdown and "All gains on one axis" in html
    assert all(f">{name}</text>" in html for name in (*TRANSFERS, ADAPTATION))


def test_contact_sheets_are_in_the_page_with_the_licence_of_their_images(paths):
    """Two a transfer, of either side, and those of labels that look wrong; the first of each kind has the credit."""
    page = pages(paths)[1]
    sheets = re.findall(r'<img alt="(Images on which [^"]*)" src="data:image/webp;base64,', page)
    assert len(sheets) in (2, 4) and not any("again" in sheet for sheet in sheets)
    columns = set(re.findall(r'<img alt="([^"]*labels that look wrong)" src=', page))
    assert page.count("Scaled down from: Toys &lt;b&gt;; CC0-1.0.<") == len(sheets) // 2 + len(columns)


def cells(line):
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def table_of(page, first):
    """The rows of a Markdown table, found by the title of its first column."""
    lines = page.splitlines()
    head = next(index for index, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[head + 2 :])
    return [dict(zip(cells(lines[head]), cells(line.replace("\\", "")), strict=True)) for line in rows]


def test_one_table_leads_with_every_question(paths, results):
    rows = table_of(pages(paths)[0], "question")
    assert [row["question"] for row in rows] == [*TRANSFERS, ADAPTATION, NULL]
    for row in rows:
        result = results[row["question"]]
        label = f"**{result.label}**" if result.evidence == "conclusive" else f"({result.label})"
        assert (row["control"], row["label"]) == (result.control or "-", label)
        assert (row["setting"], row["source"], row["target"]) == (
            result.setting or "-", result.source or "-", result.target,
        )  # fmt: skip
        assert (row["evidence"], row["gain [95% interval]"]) == (evidence_of(result), interval(result))
        assert row["p"] == number(result.p if result.control else result.p_holm, ".2g")
        assert row["compute saved"] == number(result.compute.saved, ".0%")


@pytest.mark.parametrize("name", [ADAPTATION, NULL])
def test_where_no_compute_can_be_saved_there_is_a_reason_and_no_number(metrics, name):
    spent = metrics[name]["compute"]
    assert spent["saved"] is None and "scratch" in spent["saved_reason"]


def test_the_table_of_transfers_has_their_other_readings(paths, results):
    markdown = pages(paths)[0]
    rows = table_of(markdown[markdown.index("## Transfers") :], "transfer")
    for row in rows:
        result = results[row["transfer"]]
        assert (row["baseline"], row["gain at equal compute"]) == (result.baseline, interval(result.equal_compute))
        assert row["smallest detectable gain"] == f"{result.smallest_detectable_gain:.3f}"
        assert row["alone"] == f"{result.detectable_alone:.3f}"
        assert result.forecast.correct is (result.forecast.label == result.label)
        assert row["forecast"] == forecast_words(result)
    assert len(rows) == 2
    for row in table_of(markdown[markdown.index("## Costs") :], "transfer"):
        result = results[row["transfer"]]
        assert row["cost to equal quality"] == equal_quality(result.cost_to_equal_quality)
        assert row["compute saved"] == f"{result.compute.saved:.0%}"


def test_a_control_is_flagged_in_every_output(paths, metrics):
    for name, flag in ((NULL, "null"), ("to-defect", None)):
        assert metrics[name].get("control") == flag == read_json(paths.report_cost)[name].get("control")
    for plot in PLOTS:
        rows = read_plot(paths, plot)
        assert set(rows["control"][rows["question"] == NULL]) == {"null"}, plot
        assert set(rows["control"][rows["question"] != NULL]) == {""}, plot


class Tags(HTMLParser):
    """The tags of a page and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.bold = set(), [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text.append(data)
        if self.lasttag == "b":
            self.bold.append(data)


def test_labels_and_cards_cannot_put_markup_into_the_page(paths):
    page = Tags(pages(paths)[1])
    assert "script" not in page.tags and not any("Toys" in text for text in page.bold)
    assert any(tiny_world.BAD in text for text in page.text)  # shown as the text that it is
    assert any("Toys <b>" in text for text in page.text)


def test_markdown_tables_keep_their_columns(paths):
    lines = pages(paths)[0].splitlines()
    assert not [line for line in lines if "<script" in line.replace("\\<", "") or "Toys <b>" in line]
    heads = [index for index, line in enumerate(lines) if line.startswith("|---")]
    assert len(heads) > 6
    for index in heads:
        table = [lines[index - 1], *itertools.takewhile(lambda line: line.startswith("|"), lines[index:])]
        assert len(table) > 2 and len({line.replace("\\|", "").count("|") for line in table}) == 1, table


def test_a_forecast_stands_with_what_proves_that_it_was_made_before(paths):
    sha256 = sha256_file(paths.forecast("to-defect").forecast)[:8]
    for page in pages(paths):
        assert f"made before the head was trained (sha256 {sha256})" in page.replace("\\", "")


def test_a_forecast_that_was_changed_after_training_is_refused(world_copy):
    """Behind a seal that is whole: all labels turned, so as to be correct."""
    copy = world_copy()
    file = Paths(copy.root).forecast("to-defect")
    content = read_json(file.forecast)
    write_json(file.forecast, content | {"label": "negative" if content["label"] == "positive" else "positive"})
    seal(file.folder)
    with pytest.raises(InputError, match=r"changed after the head of 'to-defect' was trained: .*Run `dvc repro`"):
        tiny_world.run_cell(copy.root, "report", None)


# ---- what params name ------------------------------------------------------------------------------------------------


def everything(paths):
    files = [paths.report_metrics, paths.report_verdicts, paths.report_cost, paths.report_markdown, paths.report_html]
    return {path.name: path.read_bytes() for path in [*files, paths.report_gain, *sorted(paths.plots.glob("*.csv"))]}


def test_a_report_that_runs_twice_leaves_the_same_bytes(paths, world_copy):
    copy = world_copy()
    tiny_world.run_cell(copy.root, "report", None)
    assert everything(Paths(copy.root)) == everything(paths)
    assert Paths(copy.root).report_label_issues.read_bytes() == paths.report_label_issues.read_bytes()


@pytest.mark.parametrize("at", range(1, 11, 3))
def test_a_report_that_cannot_be_written_to_its_end_leaves_the_last_one_whole(paths, world_copy, monkeypatch, at):
    copy = world_copy()
    before, written = files_of_reports(copy.root), []
    del copy.raw["questions"][NULL]  # every file would be another

    def full(path, value, write):
        written.append(path)
        if len(written) == at:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, value)

    for name in ("write_json", "write_csv", "write_text"):
        monkeypatch.setattr(stage, name, partial(full, write=getattr(stage, name)))
    with pytest.raises(InputError):
        report(copy)
    assert files_of_reports(copy.root) == before and len(written) == at


def files_of_reports(root):
    """Every file beside and below the report, but for what stages before it have written."""
    shown = Paths(root).report_html.parent
    found = [*shown.glob("*"), *Paths(root).plots.rglob("*")]
    return {path: path.read_bytes() for path in found if path.is_file()}


def report(world):
    """Write the params, run report; returns metrics.json and both pages."""
    tiny_world.write_params(world.root, world.raw)
    tiny_world.run_cell(world.root, "report", None)
    return read_json(Paths(world.root).report_metrics), *pages(Paths(world.root))


@pytest.mark.parametrize(("name", "section"), [("to-kind", "transfers"), (ADAPTATION, "adaptations"), (NULL, None)])
def test_a_question_that_is_gone_from_params_is_gone_from_every_report(world_copy, name, section):
    """Its files are still there, as DVC leaves them."""
    copy = world_copy()
    del copy.raw["questions"][name]
    if section:
        del copy.raw[section][name]
    metrics, markdown, _ = report(copy)
    assert Paths(copy.root).question(name).folder.exists()
    for file, content in everything(Paths(copy.root)).items():
        assert name.encode() not in content, file
        assert b"to-defect" in content, file
    if name == NULL:
        assert metrics["run"]["controls"] is None and "no controls" in markdown.splitlines()[0]
        assert "## Controls" not in markdown


def test_the_order_of_entries_in_params_changes_no_figure(paths, world_copy):
    copy = world_copy()
    for section in ("transfers", "targets", "baselines", "questions", "adaptations"):
        copy.raw[section] = dict(reversed(copy.raw[section].items()))
    report(copy)
    before, after = everything(paths), everything(Paths(copy.root))
    assert after["metrics.json"] == before["metrics.json"] and after["cost.json"] == before["cost.json"]
    for name in ("gain.csv", "roc.csv", "confusion.csv"):
        assert sorted(after[name].splitlines()) == sorted(before[name].splitlines()), name


def test_a_result_that_is_missing_is_refused_by_name(world_copy):
    copy = world_copy()
    shutil.rmtree(Paths(copy.root).question("to-kind").folder)
    with pytest.raises(InputError, match=r"to-kind is absent or was never finished"):
        tiny_world.run_cell(copy.root, "report", None)


# ---- controls and adaptations ----------------------------------------------------------------------------------------


def settle(world, name, **fields):
    """Overwrite the judged arm's verdict of a question, seal included."""
    files = Paths(world.root).question(name)
    content = read_json(files.result)
    content |= {key: value for key, value in fields.items() if key in content}
    content["details"]["verdicts"][content["arm"]] |= fields
    write_json(files.result, content)
    seal(files.folder)


def plant(world, control, **fields):
    """Make a control of to-kind."""
    world.raw["questions"]["to-kind"]["control"] = control
    files = Paths(world.root).question("to-kind")
    write_json(files.result, read_json(files.result) | {"control": control})
    settle(world, "to-kind", **fields)


def test_controls_that_hold_are_in_the_first_line_and_stand_apart(world_copy):
    copy = world_copy()
    del copy.raw["questions"][ADAPTATION]
    copy.raw["adaptations"] = {}
    settle(copy, NULL, evidence="inconclusive", p=0.9)
    plant(copy, "planted_positive", label="positive", gain=0.2, p=0.04)
    metrics, markdown, html = report(copy)
    assert metrics["run"]["controls"] == "held" and metrics["run"]["failed_controls"] == []
    assert (metrics["to-kind"]["control"], metrics["to-kind"]["held"]) == ("planted_positive", True)
    assert metrics[NULL]["held"] is True and "controls" not in metrics["to-defect"]
    # one question is left for Holm's adjustment, so that p stays as it is; controls are not adjusted
    assert metrics["to-defect"]["p_holm"] == metrics["to-defect"]["p"]
    assert metrics["to-kind"]["p_holm"] is None and metrics["to-kind"]["equal_compute"]["p_holm"] is None
    assert markdown.splitlines()[0].startswith("**The controls held")
    assert html[html.index("<body>") :].splitlines()[1].startswith('<p class="held">The controls held')
    assert [row["transfer"] for row in table_of(markdown, "transfer")] == ["to-defect"]
    flags = {row["question"]: row["control"] for row in table_of(markdown, "question")}
    assert flags == {"to-defect": "-", "to-kind": "planted positive", NULL: "null"}
    rows = read_plot(Paths(copy.root), "gain")
    assert set(rows[rows["role"] == "controls"]["question"]) == {"to-kind", NULL}


@pytest.mark.parametrize(
    ("control", "fields", "words"),
    [
        ("planted_negative", {"label": "positive", "gain": 0.1}, "holds no useful knowledge was found to help"),
        ("planted_positive", {"label": None, "gain": None}, "undefined"),
    ],
)
def test_a_control_that_fails_is_in_every_output_and_stops_nothing(world_copy, control, fields, words):
    copy = world_copy()
    plant(copy, control, **fields)
    metrics, markdown, html = report(copy)
    assert metrics["run"]["controls"] == "failed" and "to-kind" in metrics["run"]["failed_controls"]
    assert {entry["controls"] for entry in metrics.values()} == {"failed"}  # every question and the run
    first = markdown.splitlines()[0], html[html.index("<body>") :].splitlines()[1]
    assert all("cannot be trusted" in line and words in line for line in first)
    for page in (markdown, html):
        assert page.count("this result is not to be trusted") == 4
        assert page.count("Not to be trusted: controls of this run failed") == 2  # to-kind is a control now


def test_an_adaptation_has_an_entry_a_row_and_a_section(paths, metrics):
    entry, markdown = metrics[ADAPTATION], pages(paths)[0]
    assert (entry["kind"], entry["setting"], entry["source"]) == ("adaptation", "transductive", "round-defect")
    quality = {arm: found["balanced_accuracy"] for arm, found in entry["arms"].items()}
    assert entry["gain"] == pytest.approx(quality["adapted"] - quality["source_only"])
    assert entry["ceiling"]["gain"] == pytest.approx(quality["target_supervised"] - quality["source_only"])
    assert set(entry["compute"]["arms"]) >= {"adapted"} and entry["compute"]["pretraining"]["shared_by"] == 1
    assert entry["p_holm"] is not None and {row["method"] for row in entry["candidates"]} >= {"adabn", "coral"}
    row = table_of(markdown, "adaptation")[0]
    shown = [number(quality[arm]) for arm in ("source_only", "adapted", "target_supervised")]
    assert [row[key] for key in ("source only", "adapted", "linear probe with target labels")] == shown
    assert f"## {ADAPTATION}" in markdown and "+ unknown" in markdown.replace("\\", "")
    rows = read_plot(paths, "roc")
    assert set(rows[rows["question"] == ADAPTATION]["arm"]) == set(entry["arms"])
