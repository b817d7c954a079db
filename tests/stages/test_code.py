"""code: the copy that stages which train depend on has every file that they import, and no words that they write."""

import ast
import os
import re

import pytest
import tiny_world

from pipeline.stages.code import COPIED
from pipeline.store.errors import InputError
from pipeline.store.files import check_sealed
from pipeline.store.paths import Paths
from pipeline.store.wordless import PACKAGE, PROSE, files_of

WRITTEN = ("models/**/*.json", "models/**/*.csv", "data/forecasts/**/*.json", "data/features/**/*.json")


def test_every_file_is_copied_without_its_words(toy):
    tiny_world.run_cell(toy, "code", None)
    folder = check_sealed(Paths(toy).code)
    assert {file.relative_to(folder) for file in folder.rglob("*.py")} == {
        file.relative_to(PACKAGE) for file in files_of(COPIED)
    }
    copy = (folder / "stages" / "code.py").read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(copy)) is None and "# parts of" not in copy
    assert "def run(params: Params, paths: Paths, name: str) -> str:" in copy


def test_the_same_code_gives_the_same_bytes(toy):
    tiny_world.run_cell(toy, "code", None)
    folder = Paths(toy).code
    first = {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    tiny_world.run_cell(toy, "code", None)
    assert first == {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_no_output_of_a_stage_that_trains_has_text_that_copies_leave_out(world):
    """Else an edit of that text would leave the output as it was."""
    pieces = {piece.strip() for file in files_of(COPIED) for piece in texts_in_functions(file)}
    written = {file: file.read_text("utf-8") for pattern in WRITTEN for file in sorted(world.root.glob(pattern))}
    assert len(pieces) > 100 and len(written) > 20
    for file, text in written.items():
        words = [piece for piece in pieces if re.search(rf"\b{re.escape(piece)}\b", text)]
        assert words == [], file


def texts_in_functions(file):
    """The constant pieces, of two words and more, of what a copy leaves out of a file's functions; no docstrings."""
    for function in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(function, ast.FunctionDef):
            documented = ast.get_docstring(function) is not None
            for part in function.body[documented:]:
                for node in ast.walk(part):
                    text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
                    if PROSE.search(text) and " " in text.strip():
                        yield text


def test_code_that_was_edited_since_runs_no_stage_that_trains(toy):
    paths = Paths(toy)
    tiny_world.run_cell(toy, "code", None)
    copy = paths.code / "stages" / "source.py"
    copy.write_text(copy.read_text("utf-8") + "EDITED = 1\n", encoding="utf-8")
    os.utime(copy, (1, 1))
    with pytest.raises(InputError, match=r"pipeline/stages/source\.py was edited after `code` had copied it"):
        tiny_world.run_cell(toy, "source", "tiny")
