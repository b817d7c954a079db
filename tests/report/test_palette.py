"""The page's colours: the contrast of WCAG 2.1 AA in both schemes, and no colour beside the palette."""

import re
from importlib import resources

import pytest

from pipeline.report.palette import DARK, LIGHT, PAIRS


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


def test_the_style_sheet_takes_its_colours_from_the_palette():
    css = (resources.files("pipeline.report") / "templates" / "report.css.j2").read_text(encoding="utf-8")
    used = set(re.findall(r"var\(--([a-z-]+)\)", css))
    assert used <= set(LIGHT) and set(LIGHT) == set(DARK)
    assert set(re.findall(r"#[0-9a-fA-F]{3,6}\b", css)) == {"#fff"}  # behind figures, which are drawn on white
    assert {name for pair in PAIRS for name in pair[:2]} | {"rule"} == set(LIGHT)
