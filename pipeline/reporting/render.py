"""Pages from templates."""

from importlib import resources
from typing import Any

import jinja2

from pipeline.reporting.sentences import spaced

MARKDOWN_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>()#+!|~"} | {"\n": " ", "\r": " "})


def render(template: str, context: dict[str, Any]) -> str:
    """Fill one template of `reporting/templates`; HTML is escaped by Jinja2, Markdown by the filter `md`."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=lambda name: bool(name and ".html" in name),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(md=markdown_escape, words=spaced)
    return environment.get_template(template).render(context)


def markdown_escape(text: object) -> str:
    """Text that Markdown shows as it is, also inside a table."""
    return str(text).translate(MARKDOWN_SPECIAL)


def _source(name: str) -> str:
    return (resources.files("pipeline.reporting") / "templates" / name).read_text(encoding="utf-8")
