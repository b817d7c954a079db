"""Draw a contact sheet: a title over thumbnails with a few words under each, byte for byte reproducible."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE, COLUMNS, MOST = 64, 3, 12  # pixels a thumbnail, thumbnails a row (a narrow screen), thumbnails under one title
CELL, LINE, GAP = 108, 12, 6  # pixels: a thumbnail with its margin, a line of text, between rows
CHARACTERS, LINES = 17, 3  # of a text under a thumbnail: characters a line, and lines
FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"  # Pillow's own has ASCII alone
QUALITIES = (80, 60, 40, 20)  # WebP qualities; the first that gives a small enough file is used
LARGEST = 30_000  # bytes
INK, PAPER = "#1a1a1a", "#ffffff"


@dataclass(frozen=True)
class Picture:
    """A thumbnail: an image uint8 (h, w, 1 or 3), and the lines of text under it."""

    pixels: np.ndarray
    lines: tuple[str, ...]


def contact_sheet(title: str, pictures: Sequence[Picture]) -> bytes:
    """Draw a title over at most MOST pictures, as WebP of at most LARGEST bytes where a quality allows that."""
    shown = pictures[:MOST]
    sheet = Image.new("RGB", (COLUMNS * CELL, _height(shown)), PAPER)
    _write(sheet, title, 0, 0, COLUMNS * CELL)
    for index, picture in enumerate(shown):
        row, column = divmod(index, COLUMNS)
        _place(sheet, picture, column * CELL, LINE + GAP + row * _row(shown))
    return _encoded(sheet)


def _row(pictures: Sequence[Picture]) -> int:
    return SIDE + GAP + LINE * max(len(_broken(picture.lines)) for picture in pictures)


def _height(pictures: Sequence[Picture]) -> int:
    rows = -(-len(pictures) // COLUMNS)
    return LINE + 2 * GAP + (rows * _row(pictures) if rows else 0)


def _place(sheet: Image.Image, picture: Picture, left: int, top: int) -> None:
    image = Image.fromarray(np.squeeze(picture.pixels, axis=2) if picture.pixels.shape[2] == 1 else picture.pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    sheet.paste(image.convert("RGB"), (left, top))
    for number, line in enumerate(_broken(picture.lines)):
        _write(sheet, line, left, top + SIDE + number * LINE, CELL - GAP)


def _broken(texts: Sequence[str]) -> list[str]:
    """Texts as lines that fit under a thumbnail."""
    return [line for text in texts for line in wrap(text, CHARACTERS, max_lines=LINES, placeholder="…") or [""]]


def _write(sheet: Image.Image, text: str, left: int, top: int, width: int) -> None:
    """Write one line, cut to the width."""
    font = ImageFont.truetype(FONT, LINE - 2, layout_engine=ImageFont.Layout.BASIC)
    shown = whole = " ".join(text.split())
    while shown and font.getlength(shown) > width:
        whole = whole[:-1]
        shown = f"{whole}…"
    ImageDraw.Draw(sheet).text((left, top), shown, fill=INK, font=font)


def _encoded(sheet: Image.Image) -> bytes:
    for quality in QUALITIES:
        buffer = io.BytesIO()
        sheet.save(buffer, "WEBP", quality=quality, method=6)
        if buffer.tell() <= LARGEST:
            break
    return buffer.getvalue()
