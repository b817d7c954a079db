"""dvc.yaml, params, paths.py and the imports of the stages say the same, with entries in every section."""

import ast
import contextlib
import importlib
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc.utils.serialize import dump_yaml

from pipeline.config.loading import check_params
from pipeline.runner.stage import KERAS_STAGES, STAGES, tracked_keys
from pipeline.store.paths import Paths
from pipeline.store.yaml import read_yaml

ROOT = Path(__file__).parents[1]
PLACE = re.compile(r"pipeline(\.\w+)+:\w+")


RAW = read_yaml(ROOT / "tests" / "params.yaml")
PARAMS = check_params(RAW)
CELLS = [
    (stage, name) for stage, section in STAGES.items() for name in (getattr(PARAMS, section) if section else [None])
]
P = Paths()


@cache
def stages():
    """The stages as DVC resolves them: address -> stage."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # an address is relative to where one is
        shutil.copy(ROOT / "dvc.yaml", folder)
        dump_yaml(Path(folder, "params.yaml"), RAW)
        repo = Repo.init(folder, no_scm=True)
        return {stage.addressing: stage for stage in repo.index.stages}


def of(stage, name):
    return stages()[f"{stage}@{name}" if name else stage]


def outs_by_paths(stage, name):
    """What paths.py says that a cell writes."""
    arm = P.arm(stage, name or "").folder
    outs = {
        "ingest": lambda: [P.dataset(name).folder],
        "validate": lambda: [P.validation(name)],
        "split": lambda: [P.target(name).folder],
        "source": lambda: [P.source(name).folder],
        "pretrain": lambda: [P.source(name).folder],
        "extract": lambda: [P.features(name).folder],
        "forecast": lambda: [P.forecast(name).folder],
        "head": lambda: [arm],
        "tune": lambda: [arm],
        "scratch": lambda: [arm],
        "rescale": lambda: [arm],
        "attribute": lambda: [P.transfer(name).folder],
        "evaluate": lambda: [P.transfer(name).folder],
        "null": lambda: [P.transfer(name).folder],
        "adapt": lambda: [P.adaptation(name).folder],
        "compare": lambda: [P.transfer(name).folder],
        "study": lambda: [P.transfer(name).folder],
        "report": lambda: [
            *(P.report_markdown, P.report_html, P.report_cost, P.report_metrics, P.report_verdicts),
            P.plots,
        ],
    }[stage]()
    return {path.as_posix() for path in [*outs, *([P.clock(stage, name)] if stage in KERAS_STAGES else [])]}


def imported_files(module, seen=None):
    """The files of pipeline/ that a module imports, itself and at any depth, also inside functions.

    What a registry names, as "pipeline.module:attribute", counts as imported by it: a stage loads it from there.
    """
    seen = set() if seen is None else seen
    file = ROOT / (module.replace(".", "/") + ".py")
    if not file.exists():
        file = ROOT / module.replace(".", "/") / "__init__.py"
    if file in seen or not file.exists():
        return seen
    seen.add(file)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and file.parent.name == "registry" and PLACE.fullmatch(str(node.value)):
            names = [str(node.value).partition(":")[0]]
        for name in names:
            if name.split(".")[0] == "pipeline" and name != "pipeline":
                imported_files(name, seen)
    return seen


def test_every_stage_of_the_table_is_in_dvc_yaml_and_the_other_way_round():
    assert {f"{stage}@{name}" if name else stage for stage, name in CELLS} == set(stages())


@pytest.mark.parametrize(("stage", "name"), CELLS)
def test_the_command_runs_the_cell(stage, name):
    assert of(stage, name).cmd == f"python -m pipeline {stage}{f' {name}' if name else ''}"


@pytest.mark.parametrize(("stage", "name"), CELLS)
def test_dvc_tracks_the_params_that_the_stage_may_read(stage, name):
    tracked = {key for dep in of(stage, name).deps if hasattr(dep, "params") for key in dep.params}
    module = importlib.import_module(f"pipeline.stages.{stage}")
    assert tracked == set(tracked_keys(module, PARAMS, name or ""))


@pytest.mark.parametrize(("stage", "name"), CELLS)
def test_outs_are_those_of_paths(stage, name):
    assert {out.def_path for out in of(stage, name).outs} == outs_by_paths(stage, name)


@pytest.mark.parametrize(("stage", "name"), CELLS)
def test_deps_on_code_are_the_import_graph(stage, name):
    """Every imported file lies in a dep, and every dep on code holds an imported file."""
    files = {
        file.relative_to(ROOT)
        for file in imported_files(f"pipeline.stages.{stage}")
        if file.name != "__init__.py" or file.stat().st_size  # an empty __init__ says nothing
    }
    deps = {Path(dep.def_path) for dep in of(stage, name).deps if dep.def_path.startswith("pipeline/")}
    uncovered = {file for file in files if not any(file == dep or dep in file.parents for dep in deps)}
    unused = {dep for dep in deps if not any(file == dep or dep in file.parents for file in files)}
    assert (uncovered, unused) == (set(), set())


@pytest.mark.parametrize(("stage", "name"), CELLS)
def test_deps_on_data_are_outs_of_other_stages_or_raw(stage, name):
    outs = {out.def_path for other in stages().values() for out in other.outs}
    for dep in of(stage, name).deps:
        path = dep.def_path
        if path.startswith(("pipeline/", "data/raw/")) or hasattr(dep, "params"):
            continue
        assert any(out == path or out.startswith(f"{path}/") for out in outs), path


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage not in KERAS_STAGES])
def test_stages_that_need_no_keras_do_not_import_it(stage):
    for file in imported_files(f"pipeline.stages.{stage}"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if file.name == "device.py":
                continue  # imports Keras inside functions that only Keras' stages call
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [m for m in modules if m.split(".")[0] in ("keras", "tensorflow")], file


def test_every_stage_has_a_cell():
    assert {stage for stage, _ in CELLS} == set(STAGES)


def test_every_stage_says_what_it_does():
    assert [address for address, stage in stages().items() if not stage.desc] == []


def test_core_has_no_file_clock_or_environment():
    """The verdict's functions take arrays and return values."""
    for file in (ROOT / "pipeline" / "verdict").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] + [getattr(node, "module", "") or ""]
                assert not {"os", "time", "pathlib", "keras", "pipeline.store.files"} & set(names), file
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("open", "print"), file
