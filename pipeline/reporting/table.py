"""The verdicts of the last run as tables on the terminal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.reporting.sentences import (
    controls_line,
    evidence_line,
    forecasts_line,
    number,
    of_the_way,
    sentence,
    spaced,
)
from pipeline.reporting.studies import STUDIES, study_lines
from pipeline.reporting.summary import ADAPTATION
from pipeline.reporting.tables import held_in_words
from pipeline.store.errors import InputError
from pipeline.store.files import read_json
from pipeline.store.paths import Paths
from pipeline.verdict.controls import RULES

STYLES = {"positive": "bold green", "negative": "bold red", "NO": "bold red", "failed": "bold red"}
Entries = dict[str, Any]


def print_table(root: Path = Path()) -> None:
    """Print reports/metrics.json, a row for everything that has a verdict.

    Raises:
        InputError: there was no run yet.
    """
    path = Paths(root).report_metrics
    if not path.is_file():
        raise InputError(f"{path} does not exist. Run `dvc repro` first.")
    metrics = read_json(path)
    run, studies = metrics.pop("run"), metrics.pop(STUDIES, {})
    console = Console()
    controls = {name: entry for name, entry in metrics.items() if "control" in entry}
    console.print(escape(controls_line(run, controls)), style=STYLES.get(run["controls"] or "", ""))
    if line := evidence_line(dict(_of(metrics, lambda entry: "control" not in entry))):
        console.print(escape(line))
    console.print()
    for table in (verdict_table, adaptation_table, control_table):
        if (shown := table(metrics, run["metric"])).row_count:
            console.print(shown, "")
    if line := forecasts_line(run["forecasts"]):
        console.print(escape(line))
    for name, entry in metrics.items():
        console.print(escape(sentence(name, entry, run["metric"])))
    for name, study in studies.items():
        for line in study_lines(name, study):
            console.print(escape(line))
    console.print(f"More: {Paths(root).report_markdown} and {Paths(root).report_html}")


def verdict_table(metrics: Entries, metric: str) -> Table:
    """A row a transfer: its label with the evidence, the gain at converged and at equal compute, the price."""
    return _table(
        f"Does the transfer pay? (gain in {spaced(metric)} over training from scratch)",
        ("transfer", "label and\nevidence", "forecast"),
        ("gain", "interval", "at equal\ncompute", "compute\nsaved"),
        [
            (
                f"{escape(name)}\n({entry['setting']})",
                f"{styled(entry['label'])}\n{entry['evidence']}",
                styled(entry["forecast"]["label"]),
                *_gain(entry),
                number(entry["equal_compute"]["gain"], "+.3f"),
                number(entry["compute"]["saved"], ".0%"),
            )
            for name, entry in _of(metrics, lambda entry: "equal_compute" in entry and "control" not in entry)
        ],
    )


def adaptation_table(metrics: Entries, metric: str) -> Table:
    """A row an adaptation: its gain over the source as it is, and that of a linear probe with its labels."""
    return _table(
        f"Without labels of the target (gain in {spaced(metric)} over the source)",
        ("adaptation", "label and\nevidence"),
        ("gain", "interval", "linear probe\nwith labels", "of the\nway"),
        [
            (
                escape(name),
                f"{styled(entry['label'])}\n{entry['evidence']}",
                *_gain(entry),
                number(entry["ceiling"]["gain"], "+.3f"),
                of_the_way(entry["ceiling"]["reached"]),
            )
            for name, entry in _of(metrics, lambda entry: entry["kind"] == ADAPTATION)
        ],
    )


def control_table(metrics: Entries, metric: str) -> Table:
    """A row a control: what it must show, what it showed."""
    return _table(
        f"Controls (gain in {spaced(metric)})",
        ("control", "expected", "held"),
        ("gain", "interval", "p"),
        [
            (
                f"{escape(name)}\n({spaced(entry['control'])})",
                RULES[entry["control"]].expected,
                styled(held_in_words(entry["held"])),
                *_gain(entry),
                number(entry["p"], ".2g"),
            )
            for name, entry in _of(metrics, lambda entry: "control" in entry)
        ],
    )


def _of(metrics: Entries, wanted: Callable[[Entries], bool]) -> list[tuple[str, Entries]]:
    return [(name, entry) for name, entry in metrics.items() if wanted(entry)]


def _table(title: str, texts: tuple[str, ...], numbers: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    # Without frames, three kinds of numbers and their words fit into 80 columns.
    table = Table(title=title, box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    name, *words = texts
    table.add_column(name, overflow="fold")  # a longer name goes on in the next line
    for column in words:
        table.add_column(column, no_wrap=True)
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _gain(entry: Entries) -> tuple[str, str]:
    low, high = (number(entry[key], "+.3f") for key in ("ci_low", "ci_high"))
    return number(entry["gain"], "+.3f"), "-" if entry["ci_low"] is None else f"{low} to\n{high}"


def styled(word: str | None) -> str:
    """A word in its colour; a dash where there is none."""
    style = STYLES.get(word or "")
    return f"[{style}]{word}[/]" if style else word or "-"
