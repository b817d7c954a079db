"""The verdicts of the last run as a table on the terminal."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.frame.errors import InputError
from pipeline.frame.io import read_json
from pipeline.frame.paths import Paths
from pipeline.reporting.summary import sentence

STYLES = {"positive": "bold green", "negative": "bold red"}


def print_table(root: Path = Path()) -> None:
    """Print reports/metrics.json, a row a transfer.

    Raises:
        InputError: there was no run yet.
    """
    path = Paths(root).report_metrics
    if not path.is_file():
        raise InputError(f"{path} does not exist. Run `dvc repro` first.")
    metrics = read_json(path)
    run = metrics.pop("run")
    console = Console()
    console.print(verdict_table(metrics, run["metric"]))
    for name, entry in metrics.items():
        console.print(escape(sentence(name, entry, run["metric"])))
    console.print(f"More: {Paths(root).report_markdown} and {Paths(root).report_html}")


def verdict_table(metrics: dict[str, Any], metric: str) -> Table:
    """A row a transfer: its label with the evidence, the gain at converged and at equal compute, the price."""
    table = Table(title=f"Does the transfer pay? (gain in {metric.replace('_', ' ')} over training from scratch)")
    for column in ("transfer", "label", "evidence"):
        table.add_column(column)
    for column in ("gain", "interval", "at equal\ncompute", "compute\nsaved"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, entry in metrics.items():
        style = STYLES.get(entry["label"], "")
        table.add_row(
            f"{escape(name)}\n({entry['setting']})",
            f"[{style}]{entry['label']}[/]" if style else "-",
            entry["evidence"],
            number(entry["gain"], "+.3f"),
            f"{number(entry['ci_low'], '+.3f')} to\n{number(entry['ci_high'], '+.3f')}",
            number(entry["equal_compute"]["gain"], "+.3f"),
            number(entry["compute"]["saved"], ".0%"),
        )
    return table


def number(value: float | None, form: str = ".3f") -> str:
    """A number in a given format; a dash where it is undefined."""
    return "-" if value is None else format(value, form)
