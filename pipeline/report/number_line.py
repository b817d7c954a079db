"""Gains on a number line, as SVG whose type keeps its size on any screen: places are shares of the width.

The page's style sheet gives the colours, so that they fit light and dark. `gain.svg` is drawn by figures.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap

from pipeline.report.content import Tone
from pipeline.report.language import say
from pipeline.report.words import interval, metric_name
from pipeline.results.result import Interval, Reading

LINE, BAR, GAP = 17, 15, 7  # pixels: of a line of text, of a bar, between rows
BESIDE, BESIDE_MAIN = 22, 20  # characters of a label beside which its figures fit on a narrow screen
WHOLE = 40  # characters of a label that fit on it
REACH = 44  # percent of the width from zero to the largest gain
STEPS = (1, 2, 2.5, 5, 10)  # times a power of ten: between the ticks of an axis


@dataclass(frozen=True)
class Gain:
    """A gain to draw. sure: conclusive, drawn as a filled point. main: in bold type."""

    label: str
    interval: Interval
    tone: Tone
    sure: bool = False
    main: bool = False


def sure(reading: Reading) -> bool:
    """Whether a reading is conclusive."""
    return reading.evidence == "conclusive"


def tone_of(reading: Reading) -> Tone:
    """The colour of a reading that is no answer to a question itself."""
    if sure(reading) and reading.label is not None:
        return reading.label
    return "equal" if reading.evidence == "equivalent" else "open"


def widest(intervals: Sequence[Interval]) -> float:
    """The largest distance from 0 among gains and intervals; 1 where there is none."""
    values = [value for each in intervals for value in (each.gain, each.ci_low, each.ci_high) if value is not None]
    return max(map(abs, values), default=0.0) or 1.0


def number_line(gains: Sequence[Gain], reach: float, margin: float, metric: str, title: str) -> str:
    """A row a gain: its label, its figures, and its interval on one axis with the margin as a band.

    Args:
        reach: the largest distance from 0 on the axis; what goes beyond it ends in an arrow. metric: in params' words.
        title: what the drawing shows, for those who do not see it.
    """
    rows, top = list[str](), 4
    for gain in gains:
        row, top = _row(gain, top, reach)
        rows.append(row)
    left, right = (_place(side * min(margin, reach), reach) for side in (-1, 1))
    axis = [
        f'<rect class="margin" x="{left:.2f}%" width="{right - left:.2f}%" y="0" height="{top}"/>',
        f'<line class="zero" x1="50%" x2="50%" y1="0" y2="{top}"/>',
    ]
    for value in ticks(reach):
        x, text = f"{_place(value, reach):.2f}%", "0" if value == 0 else f"{value:+.3g}"
        axis.append(f'<line class="tick" x1="{x}" x2="{x}" y1="{top}" y2="{top + 4}"/>')
        axis.append(f'<text class="axis" x="{x}" y="{top + 16}" text-anchor="middle">{text}</text>')
    name = say("gain in {metric}; shaded: within {margin} of 0", metric=metric_name(metric), margin=f"{margin:g}")
    axis.append(f'<text class="axis" x="50%" y="{top + 31}" text-anchor="middle">{escape(name)}</text>')
    words = escape("; ".join([title, *(f"{gain.label} {interval(gain.interval)}" for gain in gains)]), quote=True)
    return (
        f'<svg class="gains" role="img" aria-label="{words}" width="100%" height="{top + 36}">'
        f"{''.join([*axis, *rows])}</svg>"
    )


def ticks(reach: float) -> list[float]:
    """Round values on an axis, two on each side of 0 where they fit."""
    power = 10.0**-9
    while power * 10 <= reach:
        power *= 10
    step = max((s * power for s in STEPS if 2 * s * power <= reach), default=power / 2)
    return [round(at * step, 12) for at in (-2, -1, 0, 1, 2)]


def _place(value: float, reach: float) -> float:
    """Percent of the width."""
    return 50 + REACH * value / reach


def _row(gain: Gain, top: int, reach: float) -> tuple[str, int]:
    """A gain's elements, and where the next row begins."""
    kind, words = " main" if gain.main else "", escape(interval(gain.interval))
    lines = wrap(gain.label, WHOLE) or [""]
    if len(lines[-1]) > (BESIDE_MAIN if gain.main else BESIDE):
        lines.append("")  # the figures have a line of their own
    parts = [
        f'<text class="name{kind}" x="0" y="{top + number * LINE + 13}">{escape(line)}</text>'
        for number, line in enumerate(lines)
        if line
    ]
    top += LINE * (len(lines) - 1)
    parts.append(f'<text class="figures{kind}" x="100%" y="{top + 13}" text-anchor="end">{words}</text>')
    top += LINE
    parts += _bar(gain, top + BAR // 2, reach)
    return f'<g class="{gain.tone}{" sure" if gain.sure else ""}">{"".join(parts)}</g>', top + BAR + GAP


def _bar(gain: Gain, y: int, reach: float) -> list[str]:
    value, low, high = gain.interval.gain, gain.interval.ci_low, gain.interval.ci_high
    parts = []
    if low is not None and high is not None:
        ends = [_place(max(-reach, min(reach, end)), reach) for end in (low, high)]
        parts.append(f'<line class="interval" x1="{ends[0]:.2f}%" x2="{ends[1]:.2f}%" y1="{y}" y2="{y}"/>')
        if low < -reach:
            parts.append(f'<text class="arrow" x="{ends[0]:.2f}%" y="{y + 4}" text-anchor="end">‹</text>')
        if high > reach:
            parts.append(f'<text class="arrow" x="{ends[1]:.2f}%" y="{y + 4}">›</text>')
    if value is not None:
        at = _place(max(-reach, min(reach, value)), reach)
        parts.append(f'<circle class="point" cx="{at:.2f}%" cy="{y}" r="5"/>')
    return parts
