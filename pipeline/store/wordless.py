"""The code of this package without its words: what a result depends on."""

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
PROSE = re.compile(r"[A-Za-z] | [A-Za-z]")  # a space beside a letter


def files_of(parts: tuple[str, ...]) -> list[Path]:
    """The Python files of parts of the package, which are files or folders relative to it, sorted."""
    found = {PACKAGE / part for part in parts if part.endswith(".py")}
    return sorted(found.union(*((PACKAGE / part).rglob("*.py") for part in parts)))


def copies_of(parts: tuple[str, ...]) -> dict[str, str]:
    """The code of parts of the package without its words, by the path of each file in it."""
    return {file.relative_to(PACKAGE).as_posix(): copied(file) for file in files_of(parts)}


def edited_since(copies: Path, root: Path) -> str | None:
    """The first file of the package that is newer than its copy without words and differs from it; None if none does.

    Args:
        copies: a copy, or a folder of copies; they may be absent.
        root: the folder of all copies.
    """
    for copy in sorted(copies.rglob("*.py")) if copies.is_dir() else [copies]:
        name = copy.relative_to(root)
        if copy.is_file() and not _is_copy(copy, PACKAGE / name):
            return f"pipeline/{name}"
    return None


def _is_copy(copy: Path, file: Path) -> bool:
    if not file.is_file():
        return False
    older = file.stat().st_mtime <= copy.stat().st_mtime
    return older or copied(file) == copy.read_text("utf-8")


def copied(file: Path) -> str:
    """The copy of a file."""
    return wordless(file.read_text("utf-8")) + "\n"


def wordless(source: str) -> str:
    """Code without what no result depends on, so that who words a message better trains nothing again.

    Comments, layout, docstrings, what an error is raised with, and text inside functions that has a space beside a
    letter: messages, lines of log, labels of bars. Text that is written to outputs stands at the level of the module,
    where it counts.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [_WithoutProse().visit(statement) for statement in node.body]
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            node.exc, node.cause = node.exc.func, None
        elif isinstance(node, ast.Assert):
            node.msg = None
    return ast.unparse(_WithoutFormatted().visit(tree))  # unlike `dump`, the same in all versions of Python


class _WithoutProse(ast.NodeTransformer):
    """Puts empty text in place of text that has a space beside a letter."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) and PROSE.search(node.value) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        constant = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
        return ast.Constant("") if PROSE.search(constant) else self.generic_visit(node)


class _WithoutFormatted(ast.NodeTransformer):
    """Puts a tuple of its parts in place of formatted text, which versions of Python write with other quotes."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Tuple([self.visit(part) for part in node.values], ast.Load())

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        form = self.visit(node.format_spec) if node.format_spec else ast.Constant(None)
        return ast.Tuple([self.visit(node.value), ast.Constant(node.conversion), form], ast.Load())
