"""Sections as Markdown and as HTML: one renderer each, which know no sentence of the report."""

import base64
import re
from collections.abc import Sequence
from importlib import resources
from itertools import groupby

import jinja2

from pipeline.report.content import Block, Figure, Paragraph, Section, Table

MARKDOWN_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>()#+!|~"} | {"\n": " ", "\r": " "})


def markdown(sections: Sequence[Section]) -> str:
    """The report as Markdown; figures are shown where they have a file of their own, else a link leads to the HTML."""
    return _render("report.md.j2", sections)


def html(sections: Sequence[Section]) -> str:
    """The report as one HTML page that needs no other file."""
    return _render("report.html.j2", sections)


def grouped(blocks: Sequence[Block]) -> list[tuple[str, list[Block]]]:
    """Consecutive blocks of one kind, with it: a paragraph's role, `table` or `figure`."""
    return [(kind, list(group)) for kind, group in groupby(blocks, _kind)]


def markdown_escape(text: object) -> str:
    """Text that Markdown shows as it is, also inside a table."""
    return str(text).translate(MARKDOWN_SPECIAL)


def anchor(title: str) -> str:
    """The id of a section in the HTML page."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _kind(block: Block) -> str:
    match block:
        case Paragraph():
            return block.role
        case Table():
            return "table"
        case Figure():
            return "figure"


def _render(template: str, sections: Sequence[Section]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=lambda name: bool(name and ".html" in name),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(md=markdown_escape, grouped=grouped, anchor=anchor, base64=_base64)
    return environment.get_template(template).render(sections=sections)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _source(name: str) -> str:
    return (resources.files("pipeline.report") / "templates" / name).read_text(encoding="utf-8")
