"""The colours of the page, light and dark; tests hold every pair to the contrast that WCAG AA asks for."""

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
}
TEXT = 4.5  # least contrast of text with what is behind it
GRAPHIC = 3.0  # least contrast of a mark
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
]
