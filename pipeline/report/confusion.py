"""Draw confusion matrices that are legible from two classes to a hundred, with names of any length."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any
from unicodedata import east_asian_width

import numpy as np
from matplotlib.figure import Figure

from pipeline.report.figures import COLOURS, styled, svg
from pipeline.report.language import say
from pipeline.report.palette import themed
from pipeline.report.words import spaced

FEW, SOME, MANY = 6, 12, 50  # classes: up to which all arms are drawn, counts are told, shares are told
EDGE, TITLE, AXIS = 0.1, 0.3, 0.3  # inches: around a matrix, for its title, for the name of an axis
CHARACTER, LINE = 0.6 / 72, 1.25 / 72  # inches: a character's width and a line's height in type of 1 point
WIDE = 5 / 3  # characters: the width of one of Chinese, Japanese or Korean
LONGEST = 40  # characters of a class name; what follows is cut
CELL, OPAQUE = (0x2F / 255, 0x86 / 255, 0xC8 / 255), 0.65  # a cell of all images of its class: text on it stays legible
Confusion = Mapping[str, Sequence[Sequence[float]]]


def confusion_figures(confusion: Confusion, classes: Sequence[str], compared: Sequence[str]) -> list[str]:
    """A confusion matrix an arm: shares of the true class and, up to SOME classes, the weighted counts.

    Args:
        confusion: arm -> a row a true class, a column a predicted one. compared: the arms that are drawn where there
            are more than FEW classes.
    """
    arms = [arm for arm in COLOURS if arm in confusion and (len(classes) <= FEW or arm in compared)]
    return [confusion_figure(np.array(confusion[arm]), classes, spaced(arm)) for arm in arms]


@styled
def confusion_figure(counts: np.ndarray, classes: Sequence[str], title: str) -> str:
    """One matrix, as large as its cells and names need."""
    cell, points = _sizes(len(classes))
    names = _wrapped([_shown(name) for name in classes], cell, points)
    lines = [line for name in names for line in name.split("\n")]
    side, label = cell * len(classes), max(map(columns, lines)) * points * CHARACTER + EDGE
    turned = label > cell + EDGE  # names of the predicted classes, where they are wider than a cell
    highest = max(name.count("\n") + 1 for name in names) * points * LINE
    left, bottom = AXIS + label, AXIS + EDGE + (label if turned else highest)
    width, height = left + side + 2 * EDGE, TITLE + side + bottom + EDGE
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
    _matrix(axes, counts, points)
    axes.set_title(title, fontsize=9)
    axes.set_xticks(range(len(names)), names, fontsize=points, rotation=90 if turned else 0, parse_math=False)
    axes.set_yticks(range(len(names)), names, fontsize=points, parse_math=False)
    axes.set_ylabel(say("actual"))
    axes.set_xlabel(say("predicted"))
    return themed(svg(figure))


def columns(text: str) -> float:
    """The width of a text in characters: those of Chinese, Japanese and Korean are wider."""
    return sum(WIDE if east_asian_width(character) in "WF" else 1.0 for character in text)


def _sizes(classes: int) -> tuple[float, float]:
    """The side of a cell in inches, and the size of its text in points."""
    if classes <= SOME:
        return max(0.5, min(1.0, 2.4 / classes)), 9 if classes <= FEW else 7.5
    cell = 0.2 if classes <= MANY else 10 / classes
    return cell, min(6.5, 0.8 * 72 * cell)


def _shown(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _wrapped(names: Sequence[str], cell: float, points: float) -> Sequence[str]:
    """Names broken into lines that fit into a cell, if all of them do."""
    room = int(cell / (points * CHARACTER))
    broken = [fill(name, max(1, int(room * len(name) / (columns(name) or 1)))) for name in names]
    fits = all((name.count("\n") + 1) * points * LINE <= cell for name in broken)
    return broken if fits else names


def _matrix(axes: Any, counts: np.ndarray, points: float) -> None:
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1e-12)
    colours = np.empty((*shares.shape, 4))
    colours[..., :3], colours[..., 3] = CELL, OPAQUE * shares  # over the page, light or dark
    axes.imshow(colours)
    if len(counts) > MANY:
        return
    for (row, column), share in np.ndenumerate(shares):
        text = f"{share:.0%}\n{counts[row, column]:,.0f}" if len(counts) <= SOME else f"{100 * share:.0f}"
        if text != "0":
            axes.text(column, row, text, ha="center", va="center", fontsize=points, parse_math=False)
