"""The colours of the page and of its figures, light and dark; tests hold them to the contrast of WCAG AA."""

import re

Palette = dict[str, str]

LIGHT: Palette = {
    "paper": "#ffffff",
    "card": "#f7f8fa",
    "ink": "#1a1a1a",
    "quiet": "#555b61",
    "rule": "#c9ced4",
    "link": "#00558c",
    "margin": "#dfe6ee",
    "positive": "#006b3c",
    "negative": "#a80f1c",
    "equal": "#00558c",
    "open": "#6a4a00",
    "control": "#555b61",
    "held-back": "#e7f4ec",
    "failed-back": "#fbe4e6",
    "warning-back": "#fff4d6",
    "orange": "#b97a00",
    "blue": "#0072b2",
    "vermilion": "#c2420a",
    "green": "#00805c",
    "grey": "#6b6b6b",
    "purple": "#a8478a",
}
DARK: Palette = {
    "paper": "#15181b",
    "card": "#1f2429",
    "ink": "#ececec",
    "quiet": "#b4bbc2",
    "rule": "#4a525a",
    "link": "#8cc8ff",
    "margin": "#323b45",
    "positive": "#62d69c",
    "negative": "#ff9d9d",
    "equal": "#8cc8ff",
    "open": "#f0c46c",
    "control": "#b4bbc2",
    "held-back": "#16351f",
    "failed-back": "#451a1e",
    "warning-back": "#3d3110",
    "orange": "#f0b040",
    "blue": "#5ab4f0",
    "vermilion": "#ff8a5c",
    "green": "#4fd1a5",
    "grey": "#a8adb3",
    "purple": "#e8a0cc",
}
TEXT = 4.5  # least contrast of text with what is behind it
GRAPHIC = 3.0  # least contrast of a mark
LINES = ("orange", "blue", "vermilion", "green", "grey", "purple")  # in figures: as Okabe and Ito's, for all eyes
# (in front, behind, least contrast)
PAIRS = [
    *((front, back, TEXT) for front in ("ink", "quiet", "link") for back in ("paper", "card")),
    *(
        (tone, back, TEXT)
        for tone in ("positive", "negative", "equal", "open", "control")
        for back in ("paper", "card")
    ),
    *(("ink", back, TEXT) for back in ("held-back", "failed-back", "warning-back", "margin")),
    *((tone, "margin", GRAPHIC) for tone in ("positive", "negative", "equal", "open", "control")),
    *((line, "paper", GRAPHIC) for line in LINES),
]


def themed(svg: str) -> str:
    """A figure that was drawn in the light colours, in those of the page that it stands on."""
    names = {LIGHT[name]: name for name in (*LINES, "ink", "quiet", "rule")}

    def style(found: re.Match[str]) -> str:
        return re.sub("#[0-9a-f]{6}", lambda colour: f"var(--{names[colour[0]]})", found[0])

    return re.sub(r'style="[^"]*"', style, svg)
