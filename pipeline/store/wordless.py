"""The code of this package without its words: what a result depends on."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def files_of(parts: tuple[str, ...]) -> list[Path]:
    """The Python files of parts of the package, which are files or folders relative to it, sorted."""
    found = {PACKAGE / part for part in parts if part.endswith(".py")}
    return sorted(found.union(*((PACKAGE / part).rglob("*.py") for part in parts)))


def wordless(source: str) -> str:
    """Code without what no result depends on: comments, layout, docstrings and the messages of errors that it raises.

    So that who words a message better trains nothing again.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            node.exc, node.cause = node.exc.func, None
        elif isinstance(node, ast.Assert):
            node.msg = None
    return ast.unparse(tree)  # unlike `dump`, nearly the same in all versions of Python
