"""README and docs: every command line in them is one that exists, every link leads somewhere, nothing stands twice."""

import argparse
import functools
import importlib
import re
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, get_origin

import pytest
from dvc.cli import DvcParserError
from dvc.cli.parser import get_main_parser
from ruamel.yaml import YAML

import pipeline.cli
from pipeline.config.loading import check_params
from pipeline.config.params import Params
from pipeline.store.yaml import read_yaml

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
DOCUMENTS = (*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md")
MOST_LINES = 150
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`((?:make|dvc|python -m pipeline) [^`]+)`")
PLACEHOLDER = re.compile(r"[A-Z]+")  # NAME, QUESTION: the reader's


class Command(NamedTuple):
    """A command line of a document, without its comment."""

    document: str
    line: str


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def fences(text: str, language: str) -> list[str]:
    return [body for name, body in FENCE.findall(text) if name == language]


def prose(text: str) -> str:
    return FENCE.sub("", text)


def commands_of(path: Path) -> list[Command]:
    lines = [line for block in fences(read(path), "console") for line in block.splitlines() if line.startswith("$ ")]
    return [Command(path.name, re.split(r"\s+#", line.removeprefix("$ "))[0]) for line in lines] + [
        Command(path.name, line) for line in INLINE.findall(prose(read(path)))
    ]


COMMANDS = [command for path in DOCUMENTS for command in commands_of(path)]


# ---- what a command line must be, by its program ---------------------------------------------------------------------


class Parsed(Exception):
    """The command line of the pipeline was understood; nothing has been run."""


def parse_pipeline(
    arguments: list[str], main: Callable[[list[str]], object] = pipeline.cli.main
) -> argparse.ArgumentParser:
    """Hand arguments to `python -m pipeline`, or another `main`, up to its parser, and return this one.

    Raises:
        SystemExit: the parser refuses them.
    """
    found: list[argparse.ArgumentParser] = []

    def parse_and_stop(parser: argparse.ArgumentParser, given: list[str] | None = None) -> None:
        namespace, rest = parser.parse_known_args(given)
        if rest:
            parser.error(f"unrecognised {rest} beside {namespace}")
        found.append(parser)
        raise Parsed

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
        with pytest.raises(Parsed):
            main(arguments)
    return found[0]


def run_benchmark(name: str, arguments: list[str]) -> None:
    """Run a benchmark's `main`, which reads the command line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *arguments])
        importlib.import_module(name).main()


def check_python(arguments: list[str]) -> None:
    assert arguments[0] == "-m" and re.fullmatch(r"pipeline|pytest|benchmarks\.\w+", arguments[1]), arguments
    if arguments[1] == "pipeline":
        parse_pipeline(arguments[2:])
    elif arguments[1] != "pytest":
        parse_pipeline(arguments[2:], functools.partial(run_benchmark, arguments[1]))
    else:
        assert [path for path in arguments[2:] if not (ROOT / path).exists()] == []


def check_make(arguments: list[str]) -> None:
    done = subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for word in arguments:
        profile = word.removeprefix("NAME=")
        if profile != word and not PLACEHOLDER.fullmatch(profile):
            assert (ROOT / "profiles" / f"{profile}.yaml").is_file(), f"no profile {profile}"


def check_dvc(arguments: list[str]) -> None:
    parsed = get_main_parser().parse_args(arguments)
    stages = YAML(typ="safe", pure=True).load(read(ROOT / "dvc.yaml"))["stages"]
    if parsed.cmd == "repro":
        assert {target.partition("@")[0] for target in parsed.targets} <= set(stages)


def check_pip(arguments: list[str]) -> None:
    extras = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]["optional-dependencies"]
    named = [extra for word in arguments for extra in re.findall(r"^\.\[(.*)\]$", word)]
    assert {extra for several in named for extra in several.split(",")} <= set(extras)
    constraints = [file for flag, file in pairwise(arguments) if flag == "-c"]
    assert all((ROOT / file).is_file() for file in constraints)


def check_nothing(arguments: list[str]) -> None:
    """Not the project's: what it does depends on the reader's machine."""


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "python": check_python,
    "make": check_make,
    "dvc": check_dvc,
    "pip": check_pip,
    **dict.fromkeys(("git", "gto", "cp", "${EDITOR:-vi}", "pre-commit"), check_nothing),
}


@pytest.mark.parametrize("command", sorted(set(COMMANDS)), ids=lambda command: f"{command.document}: {command.line}")
def test_a_command_line_exists(command):
    words = shlex.split(command.line)
    while "=" in words[0]:  # KERAS_BACKEND=jax make repro
        words = words[1:]
    program = Path(words[0])
    if (ROOT / program).is_file():
        return
    assert program.name in CHECKS, f"{program}: no check of this program"
    CHECKS[program.name](words[1:])


WRONG = (
    "make repo",
    "make profile NAME=smok",
    "dvc reproduce",
    "dvc repro evaluat@x",
    "dvc metrics diff --tagets x",
    "python -m pipeline chek",
    "python -m pipeline check --now",
    "python -m pytest tests/verdicts",
    "pip install -e '.[gpus]'",
    "conda install x",
)


@pytest.mark.parametrize("line", WRONG)
def test_a_command_line_that_does_not_exist_is_found(line, capsys):
    with pytest.raises((AssertionError, SystemExit, DvcParserError)):
        test_a_command_line_exists(Command("", line))


def test_every_document_with_commands_was_read():
    assert {"README.md", "operations.md", "CONTRIBUTING.md"} <= {command.document for command in COMMANDS}


# ---- what the pages hold ---------------------------------------------------------------------------------------------


def test_readme_is_short():
    assert len(read(README).splitlines()) <= MOST_LINES


def test_readme_names_every_profile():
    profiles = {path.stem for path in (ROOT / "profiles").glob("*.yaml")}
    assert [name for name in sorted(profiles) if f"`{name}`" not in read(README)] == []


def test_the_row_that_readme_explains_is_one_of_the_committed_run():
    """Its figures are held by the tests of the committed run, which look at the page that has all rows."""
    row = re.search(r"<!-- row -->\n```\n(.*?)```", read(README), re.DOTALL)
    assert row is not None
    *header, name, setting = row[1].splitlines()
    page = read(ROOT / "docs" / "committed-run.md")
    assert all(line in page for line in header)
    assert f"{name}\n{setting}" in page


def sentences(text: str) -> list[str]:
    """The sentences of a page of six words or more, without code blocks, tables and quoted results."""
    kept = [line for line in prose(text).splitlines() if not line.startswith(("|", ">", "#"))]
    paragraphs = re.split(r"\n\s*\n|\n(?:- |\d+\. )", "\n".join(kept))
    said = [part for p in paragraphs for part in re.split(r"(?<=[.!?:])\s+", " ".join(p.split()))]
    return [sentence for sentence in said if len(sentence.split()) >= 6]


def test_no_sentence_stands_twice():
    counts = Counter(sentence for path in DOCUMENTS for sentence in set(sentences(read(path))))
    assert counts.total() > 100
    assert [sentence for sentence, count in counts.items() if count > 1] == []


# ---- nothing is left out, and nothing leads nowhere ------------------------------------------------------------------


def named() -> set[str]:
    """What the pages set in code, word by word."""
    spans = (span for path in PAGES for span in re.findall(r"`([^`\n]+)`", prose(read(path))))
    return {word for span in spans for word in re.split(r"[\s,:{}()]+", span)} | {
        word for command in COMMANDS for word in command.line.split()
    }


def test_every_section_of_params_is_explained():
    sections = {word.partition(".")[0] for word in named()}  # `verdict.metric`
    assert sorted(set(read_yaml(ROOT / "params.yaml")) - sections) == []


def test_every_subcommand_is_explained():
    (choices,) = (action.choices for action in parse_pipeline(["check"])._actions if action.dest == "command")
    assert sorted(set(choices) - named()) == []


def slug(heading: str) -> str:
    """The anchor that a heading gets on GitHub."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(read(path))):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        goal = path.parent / file if file else path
        assert goal.exists(), target
        assert not anchor or anchor in map(slug, re.findall(r"^#+ (.*)$", read(goal), re.MULTILINE)), target


def test_the_entries_by_hand_are_valid_in_the_place_of_the_demos():
    (block,) = fences(read(ROOT / "docs" / "own-data.md"), "yaml")
    example = YAML(typ="safe", pure=True).load(block)
    raw = read_yaml(ROOT / "params.yaml")
    entries = [name for name, field in Params.model_fields.items() if get_origin(field.annotation) is dict]
    raw |= {section: example.get(section, {}) for section in entries}
    assert list(check_params(raw).questions) == list(example["questions"])


# ---- files that tools read -------------------------------------------------------------------------------------------


def test_the_citation_agrees_with_the_package():
    """The keys that CFF 1.2.0 requires, and those that pyproject.toml has too."""
    citation = YAML(typ="safe", pure=True).load(read(ROOT / "CITATION.cff"))
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0" and all(author["name"] for author in citation["authors"])
    assert (citation["title"], str(citation["version"]), citation["license"]) == (
        project["name"],
        project["version"],
        project["license"],
    )


def test_hooks_need_no_network_and_run_what_lint_runs():
    configured = YAML(typ="safe", pure=True).load(read(ROOT / ".pre-commit-config.yaml"))["repos"]
    assert [repo["repo"] for repo in configured] == ["local"]
    hooks = [hook for repo in configured for hook in repo["hooks"]]
    assert {hook["language"] for hook in hooks} == {"system"}
    lint = subprocess.run(["make", "-n", "lint"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for hook in hooks:
        assert hook["entry"].removeprefix(".venv/bin/").removesuffix(" --force-exclude") in lint


@pytest.mark.parametrize("command", ["check", "table", "doctor"])
@pytest.mark.slow
def test_a_command_of_the_docs_that_needs_no_run_works_offline(command):
    done = subprocess.run([sys.executable, "-m", "pipeline", command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
