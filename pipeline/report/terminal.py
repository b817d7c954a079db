"""The results of the last run on the terminal: claims and tables of the report that metrics.json is enough for."""

from pathlib import Path
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from pipeline.report.content import Paragraph, Section, Table
from pipeline.report.material import Material
from pipeline.report.sections import all_sections
from pipeline.results.run import Run
from pipeline.store.errors import InputError
from pipeline.store.files import read_json
from pipeline.store.paths import Paths

STYLES = {"positive": "bold green", "negative": "bold red", "NO": "bold red", "failed": "bold red"}
SHOWN = ("lead", "item", "warning", "held", "failed")  # roles of paragraphs


def print_report(root: Path = Path(), console: Console | None = None) -> None:
    """Print reports/metrics.json.

    Raises:
        InputError: there was no run yet.
    """
    paths, console = Paths(root), console or Console()
    if not paths.report_metrics.is_file():
        raise InputError(f"{paths.report_metrics} does not exist. Run `dvc repro` first.")
    run = Run.from_metrics(read_json(paths.report_metrics))
    for section in all_sections(Material(run)):
        print_section(section, console)
    console.print(f"More: {paths.report_markdown} and {paths.report_html}")


def print_section(section: Section, console: Console) -> None:
    """Print a section's claims and those columns of its tables that fit into 80 characters."""
    if section.banner:
        console.print(escape(section.banner.text), style=STYLES.get(section.banner.role, ""))
    console.print()
    console.print(escape(section.title), style="bold")
    for block in section.blocks:
        if isinstance(block, Table) and block.terminal:
            console.print(rich_table(block))
        elif isinstance(block, Paragraph) and block.role in SHOWN:
            console.print(escape(block.text))


def rich_table(table: Table) -> RichTable:
    """The terminal's columns of a table; what stands in brackets goes into a line of its own."""
    places = [at for at, column in enumerate(table.columns) if column.title in table.terminal]
    # Without frames, three kinds of numbers and their words fit into 80 columns.
    result = RichTable(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    result.add_column(escape(table.columns[places[0]].title), overflow="fold")  # a longer name goes on in the next line
    for at in places[1:]:
        title = table.columns[at].title
        lines = [*title.split(), *(line for row in table.rows for line in _broken(row[at]).split("\n"))]
        justify: Literal["left", "right"] = "right" if table.columns[at].kind == "number" else "left"
        result.add_column(escape(_broken(title)), justify=justify, width=max(map(len, lines)))  # as narrow as its cells
    for row in table.rows:
        result.add_row(*(_cell(row[at], at == places[0]) for at in places))
    return result


def _cell(text: str, first: bool) -> str:
    style = STYLES.get(text)
    shown = escape(text if first else _broken(text))
    return f"[{style}]{shown}[/]" if style else shown


def _broken(text: str) -> str:
    return text.replace(" [", "\n[").replace(" (", "\n(")
