"""code: the copy that stages which train depend on has every file that they import, and no words."""

import ast

import tiny_world

from pipeline.stages.code import COPIED
from pipeline.store.files import check_sealed
from pipeline.store.paths import Paths
from pipeline.store.wordless import PACKAGE, files_of


def test_every_file_is_copied_without_its_words(tmp_path):
    tiny_world.make_without_keras(tmp_path)
    tiny_world.run_cell(tmp_path, "code", None)
    folder = check_sealed(Paths(tmp_path).code)
    assert {file.relative_to(folder) for file in folder.rglob("*.py")} == {
        file.relative_to(PACKAGE) for file in files_of(COPIED)
    }
    copy = (folder / "stages" / "code.py").read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(copy)) is None and "# parts of" not in copy
    assert "def run(params: Params, paths: Paths, name: str) -> str:" in copy


def test_the_same_code_gives_the_same_bytes(tmp_path):
    tiny_world.make_without_keras(tmp_path)
    tiny_world.run_cell(tmp_path, "code", None)
    folder = Paths(tmp_path).code
    first = {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    tiny_world.run_cell(tmp_path, "code", None)
    assert first == {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
