"""The structure of pipeline/: imports go down one order of layers, and no module or function is long."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What may import what: a package (or module of pipeline/ itself) imports those before it, never those after it.
LAYERS = [
    "store",  # paths, files, seeds, errors
    "registry",  # the names that params may give, and where each is implemented
    "config",  # params.yaml: schema, loading, checks
    "datasets",
    "forecast",
    "verdict",
    "results",  # the typed result of a question, and of a run
    "networks",  # from here on Keras
    "training",
    "pretraining",
    "adaptation",
    "arms",
    "prediction",  # of new images; of no stage
    "report",
    "export",  # of networks, to files that need nothing of this package; of no stage
    "stages",
    "shortlist",  # sources ranked before anything is trained; of no stage
    "runner",  # what runs a stage: imported by no stage, so that an edit of it reruns nothing
    "commands",
    "cli",
    "__main__",
]
KERAS = {"networks", "training", "pretraining", "adaptation", "arms"}
WITHOUT_KERAS = {
    "store",
    "registry",
    "config",
    "datasets",
    "forecast",
    "verdict",
    "results",
    "report",
    "commands",
}
MOST_LINES = 300  # of a module
MOST_FUNCTION_LINES = 60  # of a function, with its docstring


def files():
    return sorted((ROOT / "pipeline").rglob("*.py"))


def module_of(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): ast.parse(file.read_text(encoding="utf-8")) for file in files()}


def layer(module):
    return module.split(".")[1] if "." in module else ""


def named(node):
    """The modules of pipeline/ that a node of the syntax tree imports, by a statement or by a call of import_module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name in MODULES]
    if isinstance(node, ast.ImportFrom):
        assert not node.level, f"relative import of {node.module}"
        whole = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name if name in MODULES else node.module for name in whole if node.module in MODULES]
    if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).endswith("import_module"):
        name = node.args[0]
        start = name.values[0] if isinstance(name, ast.JoinedStr) else name
        if isinstance(start, ast.Constant) and str(start.value).startswith("pipeline."):
            return [module for module in MODULES if module.startswith(str(start.value))]
    return []


IMPORTS = {module: {name for node in ast.walk(tree) for name in named(node)} for module, tree in MODULES.items()}
ARROWS = sorted((module, name) for module, names in IMPORTS.items() for name in names)


def test_the_graph_is_that_of_the_package():
    """Imports inside functions and by name count too."""
    assert "pipeline.commands.doctor" in IMPORTS["pipeline.cli"]
    assert "pipeline.stages.tune" in IMPORTS["pipeline.runner.stage"]
    assert len(ARROWS) > len(MODULES)


def test_every_package_has_its_layer():
    assert {layer(module) for module in MODULES if layer(module)} <= set(LAYERS)


def test_imports_go_down_the_layers():
    up = [
        (module, name)
        for module, name in ARROWS
        if layer(name) and LAYERS.index(layer(name)) > LAYERS.index(layer(module))
    ]
    assert up == []


def test_what_needs_no_keras_imports_no_package_that_does():
    arrows = [arrow for arrow in ARROWS if layer(arrow[0]) in WITHOUT_KERAS and layer(arrow[1]) in KERAS]
    assert arrows == []


def test_there_is_no_circle_between_modules():
    TopologicalSorter(IMPORTS).prepare()  # raises CycleError, naming the circle


@pytest.mark.parametrize("file", files(), ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_module_is_long(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_no_function_is_long():
    long = {
        f"{module.replace('.', '/')}.py:{node.name}"
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno >= MOST_FUNCTION_LINES
    }
    assert long == set()


def test_nothing_reaches_into_keras_own_modules():
    """`keras.src` is private: it changes from one release to the next without a word."""
    for file in files():
        assert "keras.src" not in file.read_text(encoding="utf-8"), file
