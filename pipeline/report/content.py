"""The parts of a report, sections of paragraphs, tables and figures, as data that every renderer shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["text", "lead", "item", "note", "warning", "held", "failed"]
# what a colour stands for: a gain, a loss, no difference, not decided, no finding
Tone = Literal["positive", "negative", "equal", "open", "control"]


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


class Toned(str):
    """A cell that is emphasised in the colour of its tone; of labels only those that are conclusive."""

    tone: Tone

    def __new__(cls, text: str, tone: Tone) -> "Toned":
        cell = super().__new__(cls, text)
        cell.tone = tone
        return cell


@dataclass(frozen=True)
class Column:
    """kind: `text` is escaped, `number` is aligned to the right."""

    title: str
    kind: Literal["text", "number"] = "text"


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


@dataclass(frozen=True)
class Step:
    """What to do next, and the command for it, if it is one."""

    text: str
    command: str = ""


@dataclass(frozen=True)
class Card:
    """A question with its answer, for a reader who has a minute.

    Attributes:
        badge: label and evidence in words. tone: the colour of both. answer: a sentence. plan: what would decide an
            open question. gains: an SVG of all gains.
        texts: what else to know. cautions: what speaks against relying on the answer. steps: what to do next.
    """

    name: str
    badge: str
    tone: Tone
    answer: str
    plan: str
    gains: str
    texts: Sequence[str]
    cautions: Sequence[str]
    steps: Sequence[Step]


Block = Paragraph | Table | Figure | Card


@dataclass(frozen=True)
class Section:
    """A section of the report.

    Attributes:
        banner: stands above the title. level: 1 for the report's own title. folded: whether the page shows the title
            alone until a reader opens it.
    """

    title: str
    blocks: Sequence[Block]
    banner: Paragraph | None = None
    level: Literal[1, 2] = 2
    folded: bool = False


def numbers(*titles: str) -> list[Column]:
    """Columns of numbers."""
    return [Column(title, "number") for title in titles]


def items(texts: Sequence[str]) -> list[Block]:
    """A list with one entry a text."""
    return [Paragraph(text, "item") for text in texts]


def notes(explained: Mapping[str, str]) -> list[Block]:
    """A list of explanations: term -> text; empty texts are left out."""
    return [Paragraph(text, "note", term) for term, text in explained.items() if text]
