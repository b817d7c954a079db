"""Print the last run's results: the claims and tables of the report that need metrics.json alone."""

from pathlib import Path
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable
from rich.text import Text

from pipeline.report.content import Block, Card, Paragraph, Section, Table
from pipeline.report.data import ReportData
from pipeline.report.sections import all_sections
from pipeline.results.run import Run
from pipeline.store.errors import InputError
from pipeline.store.files import read_json
from pipeline.store.paths import Paths

STYLES = {"positive": "bold green", "negative": "bold red", "failed": "bold red"}  # tones of cells, roles of banners
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
    for section in all_sections(ReportData(run)):
        print_section(section, console)
    console.print(f"More: {paths.report_markdown} and {paths.report_html}")


def print_section(section: Section, console: Console) -> None:
    """Print a section's claims and those columns of its tables that fit into 80 characters."""
    if not section.banner and not any(_shown(block) for block in section.blocks):
        return
    if section.banner:
        console.print(escape(section.banner.text), style=STYLES.get(section.banner.role, ""))
    console.print()
    console.print(escape(section.title), style="bold")
    for block in section.blocks:
        if isinstance(block, Table) and block.terminal:
            console.print(rich_table(block))
        elif isinstance(block, Card):
            print_card(block, console)
        elif isinstance(block, Paragraph) and _shown(block):
            console.print(escape(block.text))


def _shown(block: Block) -> bool:
    if isinstance(block, Table):
        return bool(block.terminal)
    return isinstance(block, Card) or (isinstance(block, Paragraph) and block.role in SHOWN)


def print_card(card: Card, console: Console) -> None:
    """Print the answer to a question, what speaks against it, and what to do next; commands stay on one line."""
    console.print(escape(f"{card.name}: {card.answer}"))
    for text in (*card.cautions, *([card.plan] if card.plan else [])):
        console.print(escape(f"   {text}"))
    for step in card.steps:
        console.print(escape(f"-> {step.text}"))
        for line in step.command.splitlines():
            console.print(escape(f"   {line}"), soft_wrap=True)


def rich_table(table: Table) -> RichTable:
    """The terminal's columns of a table; text in brackets goes on a line of its own."""
    places = [at for at, column in enumerate(table.columns) if column.title in table.terminal]
    # without frames, so that three columns of numbers and those of words fit into 80 characters
    result = RichTable(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    result.add_column(escape(table.columns[places[0]].title), overflow="fold")  # long names wrap
    for at in places[1:]:
        title = table.columns[at].title
        lines = [*title.split(), *(line for row in table.rows for line in _broken(row[at]).split("\n"))]
        justify: Literal["left", "right"] = "right" if table.columns[at].kind == "number" else "left"
        result.add_column(escape(_broken(title)), justify=justify, width=max(map(len, lines)))  # as narrow as its cells
    for row in table.rows:
        first, *others = (row[at] for at in places)
        result.add_row(
            escape(first), *(Text(_broken(text), STYLES.get(getattr(text, "tone", ""), "")) for text in others)
        )
    return result


def _broken(text: str) -> str:
    """The text with a line break before every bracket."""
    return text.replace(" [", "\n[").replace(" (", "\n(")
