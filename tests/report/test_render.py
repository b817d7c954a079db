"""Renderers: hostile text is shown as the text that it is, in both formats, and blocks come in their order."""

import re
from importlib import resources

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report import render
from pipeline.report.content import Card, Column, Figure, Paragraph, Section, Step, Table, Toned, items, numbers

HOSTILE = "<script>alert(1)</script> | a*b"
TABLE = Table(
    [Column("what"), Column("label"), *numbers("n [95%]")], [[HOSTILE, Toned("yes", "positive"), "+0.1 [0, 1]"]]
)
CARD = Card(HOSTILE, HOSTILE, "open", HOSTILE, HOSTILE, "<svg/>", [HOSTILE], [HOSTILE], [Step(HOSTILE, "python x")])


@given(text=st.text("a|<>*_`#[]()!\\~\n\r{}", max_size=20))
def test_markdown_shows_text_as_it_is(text):
    """A reader of Markdown drops the backslash before a special sign; none is left without."""
    escaped = render.markdown_escape(text)
    assert re.fullmatch(r"([a ]|\\[^a \n\r])*", escaped)
    assert re.sub(r"\\(.)", r"\1", escaped) == re.sub(r"[\n\r]", " ", text)


def test_every_block_is_escaped_in_both_formats():
    blocks = [Paragraph(HOSTILE, role) for role in ("text", "lead", "item", "note", "warning")]
    figures = [Figure(HOSTILE, webp=b"x", alt=HOSTILE), Figure(HOSTILE, "s", file="f.svg")]
    blocks += [Paragraph("text", "note", HOSTILE), TABLE, *figures]
    blocks.append(CARD)
    sections = [Section(HOSTILE, blocks, Paragraph(HOSTILE, "held")), Section(HOSTILE, [], folded=True)]
    html, markdown = render.html(sections), render.markdown(sections)
    assert "<script" not in html and html.count("&lt;script&gt;") >= len(blocks)
    assert "<script" not in markdown.replace("\\<", "") and markdown.count("\\<script\\>") >= len(blocks) - 1


def test_a_table_has_as_many_cells_in_every_line():
    lines = [line for line in render.markdown([Section("s", [TABLE])]).splitlines() if line.startswith("|")]
    assert len(lines) == 3 and len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert lines[1] == "|---|---|---:|" and "| **yes** | +0.1 [0, 1] |" in lines[2]
    html = render.html([Section("s", [TABLE])])
    assert '<td><b class="positive">yes</b></td>' in html and '<td class="n">+0.1 [0, 1]</td>' in html


def test_the_banner_comes_first_and_blocks_keep_their_order():
    banner = Paragraph("the controls held", "held")
    section = Section("Title", [Paragraph("claim", "lead"), *items(["one", "two"]), Paragraph("why")], banner, level=1)
    markdown = render.markdown([section, Section("Next", [])])
    assert markdown.splitlines() == [
        "**the controls held**", "", "# Title", "", "**claim**", "", "- one", "- two", "", "why", "", "## Next", "",
    ]  # fmt: skip
    html = render.html([section])
    body = html[html.index("<body>") :].splitlines()
    assert body[1] == '<p class="held">the controls held</p>' and '<h1 id="title">Title</h1>' in body
    assert html.index("claim") < html.index("<li>one") < html.index("<li>two") < html.index("why")


def test_markdown_shows_figures_with_a_file_and_links_to_the_others():
    figures = [
        Figure("a plot", "<svg>1</svg>", file="gain.svg"),
        Figure("another", "<svg>2</svg>"),
        Figure("3", "<svg/>"),
    ]
    markdown = render.markdown([Section("Labels saved: x", figures)])
    assert "![a plot](gain.svg)" in markdown and "<svg" not in markdown
    assert markdown.count("[Figures](report.html#labels-saved-x)") == 1
    html = render.html([Section("Labels saved: x", figures)])
    assert 'id="labels-saved-x"' in html and html.count("<figure>") == 3 and "<svg>1</svg>" in html


def test_a_value_that_is_missing_stops_the_page(monkeypatch):
    broken = jinja2.FunctionLoader(lambda name: "{{ sections[0].tilte }}")
    monkeypatch.setattr(jinja2, "PackageLoader", lambda package: broken)
    with pytest.raises(jinja2.UndefinedError, match="tilte"):
        render.markdown([Section("s", [])])


@pytest.mark.parametrize("template", ["report.md.j2", "report.html.j2"])
def test_templates_hold_no_sentence(template):
    """What a template itself shows is at most a word: sentences stand in sections."""
    source = (resources.files("pipeline.report") / "templates" / template).read_text(encoding="utf-8")
    text = re.sub(r"\{[%{].*?[%}]\}|<style>.*?</style>|<[^>]*>", " ", source, flags=re.S)
    assert re.findall(r"[A-Za-z]{2,}", text) in (
        [],
        ["report", "html"],
        ["console", "report", "html"],
        ["report", "css"],
    )


def test_a_card_has_its_answer_its_drawing_and_the_command_as_it_is():
    card = Card(
        "a",
        "positive, conclusive",
        "positive",
        "Use it.",
        "then",
        "<svg>1</svg>",
        ["so"],
        ["but"],
        [Step("do:", "x -y")],
    )
    html, markdown = (draw([Section("s", [card])]) for draw in (render.html, render.markdown))
    for part in ('class="card positive"', "✔ positive, conclusive", "Use it.", "<svg>1</svg>", "<code>x -y</code>"):
        assert part in html
    assert "positive, conclusive. **Use it.**" in markdown and "```console\nx -y\n```" in markdown
    assert markdown.count("### a") == 1 and "- ⚠ but" in markdown and "→ do:" in markdown


def test_what_is_folded_is_on_the_page_and_opens_in_print():
    sections = [
        Section("Open", []),
        Section("Folded", [Paragraph("what it holds")], folded=True),
        Section("More", [], folded=True),
    ]
    html = render.html(sections)
    assert html.count("<details>") == 2 and html.count("<h2>Details</h2>") == 1
    assert (
        html.index("<summary><h3>Folded</h3></summary>") < html.index('<div id="folded">') < html.index("what it holds")
    )
    printed = html[html.index("@media print") :]
    assert "details::details-content { content-visibility: visible" in printed


def test_the_page_asks_nothing_of_the_network_and_runs_nothing():
    """Links within the page and images inside it are all that it names."""
    html = render.html([Section("s", [CARD, TABLE, Figure("f", webp=b"x", alt="f")])])
    assert re.findall(r'(?:src|href)="(?!#|data:)', html) == [] and "url(" not in html and "@import" not in html
    assert "<script" not in html
