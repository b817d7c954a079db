"""Render the sections as Markdown and as HTML; the templates hold no text of the report."""

import base64
import re
from collections.abc import Sequence
from itertools import groupby

import jinja2

from pipeline.report.content import Block, Section, Tone
from pipeline.report.language import say, spoken
from pipeline.report.palette import DARK, LIGHT

SIGNS: dict[Tone, str] = {"positive": "✔", "negative": "✘", "equal": "=", "open": "?"}  # beside a colour, for all eyes
MARKDOWN_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>()#+!|~"} | {"\n": " ", "\r": " "})


def markdown(sections: Sequence[Section]) -> str:
    """The report as Markdown; a figure without a file of its own becomes a link to the HTML."""
    return _render("report.md.j2", sections)


def html(sections: Sequence[Section]) -> str:
    """The report as one HTML page that needs no other file."""
    return _render("report.html.j2", sections)


def grouped(blocks: Sequence[Block]) -> list[tuple[str, list[Block]]]:
    """Consecutive blocks of one kind, with it: a paragraph's role, `table` or `figure`."""
    kinds = groupby(blocks, lambda block: getattr(block, "role", type(block).__name__.lower()))
    return [(kind, list(group)) for kind, group in kinds]


def markdown_escape(text: object) -> str:
    """Text that Markdown shows as it is, also inside a table."""
    return str(text).translate(MARKDOWN_SPECIAL)


def anchor(title: str) -> str:
    """The id of a section in the HTML page."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _render(template: str, sections: Sequence[Section]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.report"),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        md=markdown_escape, grouped=grouped, anchor=anchor, base64=lambda content: base64.b64encode(content).decode()
    )
    return environment.get_template(template).render(
        sections=sections,
        language=spoken(),
        figures=say("Figures"),
        details=say("Details"),
        signs=SIGNS,
        light=LIGHT,
        dark=DARK,
    )
