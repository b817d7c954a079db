"""The page's colours: the contrast of WCAG 2.1 AA in both schemes, and no colour beside the palette."""

import re
from importlib import resources

import pytest

from pipeline.report.confusion import CELL, OPAQUE
from pipeline.report.palette import DARK, LIGHT, LINES, PAIRS, TEXT, themed


def luminance(colour):
    """Relative luminance, WCAG 2.1."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(front, behind):
    light, dark = sorted((luminance(front), luminance(behind)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_the_definition():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "behind", "least"), PAIRS)
def test_what_stands_on_what_is_legible(palette, front, behind, least):
    assert contrast(palette[front], palette[behind]) >= least


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_numbers_are_legible_on_every_cell_of_a_confusion_matrix(palette, share):
    paper = [int(palette["paper"][at : at + 2], 16) for at in (1, 3, 5)]
    mixed = (OPAQUE * share * 255 * own + (1 - OPAQUE * share) * back for own, back in zip(CELL, paper, strict=True))
    assert contrast(palette["ink"], "#" + "".join(f"{round(value):02x}" for value in mixed)) >= TEXT


def test_a_figure_takes_the_colours_of_its_page():
    assert len({LIGHT[name] for name in (*LINES, "ink", "quiet", "rule")}) == len(LINES) + 3  # each stands for one name
    drawn = f'<path style="fill: {LIGHT["blue"]}; stroke: {LIGHT["ink"]}"/><text>{LIGHT["blue"]}</text>'
    assert themed(drawn) == f'<path style="fill: var(--blue); stroke: var(--ink)"/><text>{LIGHT["blue"]}</text>'


def test_the_style_sheet_takes_its_colours_from_the_palette():
    css = (resources.files("pipeline.report") / "templates" / "report.css.j2").read_text(encoding="utf-8")
    used = set(re.findall(r"var\(--([a-z-]+)\)", css))
    assert used <= set(LIGHT) and set(LIGHT) == set(DARK)
    assert set(re.findall(r"#[0-9a-fA-F]{3,6}\b", css)) == {"#fff"}  # behind contact sheets, which are drawn on white
    assert {name for pair in PAIRS for name in pair[:2]} | {"rule"} == set(LIGHT)
