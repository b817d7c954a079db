"""Languages: the same entries and values in each, none that nobody says, and no English left on a page."""

import ast
import re
from html import unescape
from string import Formatter

import builders
import pytest
from drawn_report import everything
from ruamel.yaml import YAML

from pipeline.config.schema import ReportParams
from pipeline.registry.metrics import DECIDING, REPORTED
from pipeline.report import plot_rows, render
from pipeline.report.answers import answer
from pipeline.report.language import FOLDER, PARTS, catalogue, retold, say, speaking
from pipeline.report.sections.cards import PARTS as ALONE
from pipeline.report.sections.question import ARMS
from pipeline.report.words import METRIC_NAMES
from pipeline.verdict.controls import RULES

OTHERS = sorted(file.stem for file in FOLDER.glob("*.yaml"))
ENGLISH = re.compile(
    r"\b(the|of|and|with|without|was|were|is|are|than|from|over|by|at|its|it|not|this|that|for|which|gain|evidence|"
    r"images|labels|label|trainings|compute|share|fold|folds|question|baseline|scratch|tuned|head|source|target)\b"
)
each_language = pytest.mark.parametrize("language", OTHERS)


def calls(repository):
    """The sentences of all calls of `say`, also those that a name stands for in the same file."""
    found = set()
    for file in (repository / "pipeline" / "report").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        named = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                named.setdefault(getattr(node.targets[0], "id", ""), set()).add(node.value.value)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say":
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    found.add(first.value)
                elif isinstance(first, ast.Name):
                    found |= named.get(first.id, set())
    return found


def terms():
    """The words that the program names by."""
    words = {name.replace("_", " ") for name in (*ARMS, *RULES)}
    words |= {METRIC_NAMES.get(name, name.replace("_", " ")) for name in (*DECIDING, *REPORTED)}
    words |= {plot_rows.AT_ITS_END, plot_rows.EQUAL_COMPUTE, plot_rows.UNADAPTED, "control"}
    words |= {"positive", "negative", "conclusive", "equivalent", "inconclusive"}
    return words | {"inductive", "unsupervised", "transductive"} | set(ALONE.values())


def values(sentence):
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def test_params_allow_the_languages_that_there_are():
    assert ReportParams().language == "en"
    assert sorted(ReportParams.model_fields["language"].annotation.__args__) == ["en", *OTHERS]


@each_language
def test_every_sentence_is_translated_and_none_is_left_that_nobody_says(language, repository):
    said, known = calls(repository) | terms(), catalogue(language)
    assert len(said) > 250
    assert said - set(known["terms"]) - set(known["sentences"]) == set()
    assert set(known["sentences"]) - said == set()


@each_language
def test_entries_are_whole_and_have_the_values_of_the_english(language):
    content = YAML(typ="safe").load((FOLDER / f"{language}.yaml").read_text(encoding="utf-8"))
    assert tuple(content) == PARTS
    for part, entries in content.items():
        english = [entry["en"] for entry in entries]
        assert len(english) == len(set(english)), part
        for entry in entries:
            assert set(entry) == {"en", language} and entry[language]
            assert values(entry["en"]) == values(entry[language]), entry["en"]


@each_language
def test_what_other_stages_write_is_what_is_retold(language, repository):
    """Each such sentence stands in the code, with values in the places where the translation has them."""
    written = set()
    for file in (*(repository / "pipeline").rglob("*.py"), repository / "data" / "raw" / "elpv.yaml"):
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".yaml":
            written |= {str(value) for value in _strings(YAML(typ="safe").load(text))}
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                written.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
                written.add("".join(parts))
    shapes = [re.compile(".+".join(map(re.escape, text.split("{}"))), re.DOTALL) for text in written if len(text) > 3]
    gone = [text for text in catalogue(language)["retold"] if not any(shape.fullmatch(text) for shape in shapes)]
    assert gone == []


def _strings(content):
    if isinstance(content, dict):
        return [text for value in content.values() for text in _strings(value)]
    if isinstance(content, list):
        return [text for value in content for text in _strings(value)]
    return [content]


def shown(page):
    """The text of a page: of SVG, of tables, of attributes that are read out; without commands and names."""
    body = page[page.index("<body>") :]
    body = re.sub(r"<(pre|code|metadata)\b.*?</\1>", " ", body, flags=re.DOTALL)
    spoken = re.findall(r'(?:aria-label|alt)="([^"]*)"', body)
    return prose(unescape(" ".join([re.sub(r"<[^>]*>", " ", body), *spoken])))


def prose(text):
    """Without keys of params.yaml, names of files, and without code and links of Markdown."""
    return re.sub(r"```.*?```|\]\(.*?\)|\breports/\S+|\b(scratch|verdict|questions)\.\w+", " ", text, flags=re.DOTALL)


@each_language
def test_no_english_is_left_on_a_page(language):
    with speaking(language):
        sections = everything()
        page = render.html(sections)
        markdown = render.markdown(sections)
    assert f'<html lang="{language}">' in page
    text = shown(page)
    left = {found[0] for found in ENGLISH.finditer(text)}
    assert left == set(), [text[max(0, m.start() - 40) : m.end() + 40] for m in ENGLISH.finditer(text)][:5]
    assert {found[0] for found in ENGLISH.finditer(prose(markdown))} == set()


@each_language
def test_figures_are_the_same_in_every_language(language):
    """Numbers and commands stay as they are."""
    english = render.markdown(everything())
    with speaking(language):
        other = render.markdown(everything())
    number = re.compile(r"[+-]?\d[\d.,]*\d")
    assert sorted(number.findall(english)) == sorted(number.findall(other))
    command = re.compile(r"```console\n.*?```", re.DOTALL)
    assert command.findall(english) == command.findall(other)


def test_an_answer_in_spanish():
    with speaking("es"):
        assert answer(builders.transfer(), builders.run_of({}).facts) == (
            "Use los pesos de tiny: +0.050 de exactitud [+0.010, +0.090], un 50% menos de cómputo."
        )
        assert say("no such sentence of {name}", name="x") == "no such sentence of x"
        assert retold("expected nothing conclusive, found positive: why") == (
            "se esperaba nada concluyente, se halló positiva: why"
        )
    assert say("Costs") == "Costs"  # the language ends with its block
