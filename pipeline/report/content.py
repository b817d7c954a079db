"""The parts of a report, sections of paragraphs, tables and figures, as data that every renderer shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["text", "lead", "item", "note", "warning", "held", "failed"]


@dataclass(frozen=True)
class Paragraph:
    """Plain text; a renderer escapes it.

    Attributes:
        role: `lead` is emphasised; consecutive `item`s and `note`s form lists; `warning`, `held` and `failed` are
            boxes. The terminal shows leads, items and boxes.
        term: the term that a note explains.
    """

    text: str
    role: Role = "text"
    term: str = ""


@dataclass(frozen=True)
class Column:
    """kind: `text` is escaped, `number` is aligned to the right, `label` is emphasised."""

    title: str
    kind: Literal["text", "number", "label"] = "text"


@dataclass(frozen=True)
class Table:
    """Cells as text, one list a row, as long as `columns`.

    Attributes:
        terminal: titles of the columns that the terminal shows, so that they fit into 80 characters; empty: no table.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    terminal: Sequence[str] = ()


@dataclass(frozen=True)
class Figure:
    """A drawing with its caption.

    Attributes:
        svg, webp: its content, one of the two. file: its own file beside the report, if it has one. alt: of webp.
    """

    caption: str
    svg: str = ""
    webp: bytes = b""
    file: str = ""
    alt: str = ""


Block = Paragraph | Table | Figure


@dataclass(frozen=True)
class Section:
    """A section of the report; `banner` stands above its title. level: 1 for the report's own title."""

    title: str
    blocks: Sequence[Block]
    banner: Paragraph | None = None
    level: Literal[1, 2] = 2


def numbers(*titles: str) -> list[Column]:
    """Columns of numbers."""
    return [Column(title, "number") for title in titles]


def items(texts: Sequence[str]) -> list[Block]:
    """A list with one entry a text."""
    return [Paragraph(text, "item") for text in texts]


def notes(explained: Mapping[str, str]) -> list[Block]:
    """A list of explanations: term -> text; empty texts are left out."""
    return [Paragraph(text, "note", term) for term, text in explained.items() if text]
