"""The terminal shows the report's own tables, in 80 columns, with whole names and words."""

from io import StringIO

import builders
import pytest
from rich.console import Console

from pipeline.report.content import Card, Figure, Paragraph, Section, Step
from pipeline.report.data import ReportData
from pipeline.report.sections import adaptations, cards, controls, costs, overview, transfers
from pipeline.report.terminal import print_card, print_report, print_section
from pipeline.store.errors import InputError
from pipeline.store.files import write_json
from pipeline.store.paths import Paths

NAMES = ["imagenet-to-defect", "mono-to-poly-unlabelled", "planted-negative"]


def run():
    """A run with a transfer, an adaptation and a control."""
    control = builders.transfer(control="planted_negative", held=False, forecast=builders.forecast())
    results = [builders.transfer(forecast=builders.forecast(), setting="unsupervised"), builders.adaptation(), control]
    return builders.run_of(dict(zip(NAMES, results, strict=True)), controls="failed")


def printed(text=None, width=80):
    console = Console(width=width, file=StringIO())
    for module in (cards, overview, costs, transfers, adaptations, controls):
        for section in module.sections(ReportData(run())):
            print_section(section, console)
    return console.file.getvalue()


def test_names_and_words_stay_whole_in_80_columns():
    text = printed()
    assert max(map(len, text.splitlines())) <= 80
    words = {"positive", "conclusive", "(correct)", "+0.050", "[+0.010,", "50%", "0.30", "33%", "NO"}
    assert {*NAMES, *words} <= set(text.split())


def test_the_answer_comes_with_its_command():
    text = " ".join(printed().split())
    assert f"{NAMES[0]}: Not to be trusted" not in text and f"{NAMES[0]}: Use the weights of tiny: +0.050" in text
    assert f"-> Predict new images by these networks: python -m pipeline predict {NAMES[0]} new-images" in text


def test_a_section_with_nothing_to_print_is_left_out_and_commands_are_whole():
    console = Console(width=40, file=StringIO())
    print_section(Section("Forest", [Figure("f", svg="<svg/>")]), console)
    assert console.file.getvalue() == ""
    step = Step("do:", "python -m pipeline predict " + "x" * 40)
    print_card(Card("a", "", "open", "Not decided.", "1 more repeat.", "", (), ["1 failed."], [step]), console)
    lines = ["a: Not decided.", "   1 failed.", "   1 more repeat.", "-> do:"]  # a failure before what more would do
    assert console.file.getvalue().splitlines()[:4] == lines
    assert f"   {step.command}" in console.file.getvalue().splitlines()


def test_a_sign_that_is_not_conclusive_has_no_colour():
    weak = builders.transfer(builders.verdict(evidence="inconclusive"))
    console = Console(width=80, file=StringIO(), force_terminal=True)
    (section,) = overview.sections(ReportData(builders.run_of({"weak": weak, "sure": builders.transfer()})))
    print_section(section, console)
    lines = {
        line.split()[0]: line for line in console.file.getvalue().splitlines() if line.startswith(("weak", "sure"))
    }
    assert "\x1b[1;32mpositive" in lines["sure"] and "\x1b[1;32m" not in lines["weak"] and "(positive)" in lines["weak"]


def test_hostile_markup_is_shown_as_text():
    console = Console(width=80, file=StringIO())
    print_section(Section("[bold]a[/]", [Paragraph("[red]b[/red]", "lead")], Paragraph("[i]c", "failed")), console)
    assert all(text in console.file.getvalue() for text in ("[bold]a[/]", "[red]b[/red]", "[i]c"))


def test_notes_are_left_to_the_report():
    assert "the sign of the gain" not in printed() and "No label" not in printed()


def test_the_last_run_is_read_from_its_metrics(tmp_path):
    console = Console(width=500, file=StringIO())  # no temporary folder's name is broken in two
    with pytest.raises(InputError, match="Run `dvc repro` first"):
        print_report(tmp_path, console)
    write_json(Paths(tmp_path).report_metrics, run().metrics())
    print_report(tmp_path, console)
    text = console.file.getvalue()
    assert text.startswith("The controls failed") and all(name in text for name in NAMES) and "report.md" in text
