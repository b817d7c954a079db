"""dvc.yaml, paths.py and the imports of the stages agree, with entries in every section."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from every_stage import ROOT, dvc_stages, raw_params

from pipeline.config.loading import check_params
from pipeline.config.params import ENTRY_SECTIONS
from pipeline.runner.declaration import all_cells, read_stages
from pipeline.stages.code import COPIED
from pipeline.store.paths import Paths
from pipeline.store.wordless import files_of
from pipeline.store.yaml import read_yaml

PLACE = re.compile(r"pipeline(\.\w+)+:\w+")
STAGES = read_stages(ROOT / "dvc.yaml")
CELLS = list(all_cells(STAGES, check_params(raw_params())))
WITHOUT_KERAS = sorted({cell.stage for cell in CELLS if not cell.uses_device})
P = Paths()
OUTS = {  # stage -> its output by paths.py, for the name of an entry
    "ingest": lambda name: P.dataset(name).folder,
    "validate": P.validation,
    "split": lambda name: P.target(name).folder,
    "source": lambda name: P.source(name).folder,
    "pretrain": lambda name: P.source(name).folder,
    "extract": lambda name: P.features(name).folder,
    "forecast": lambda name: P.forecast(name).folder,
    "head": lambda name: P.trained("heads", name).folder,
    "tune": lambda name: P.trained("transfers", name).folder,
    "scratch": lambda name: P.trained("baselines", name).folder,
    "rescale": lambda name: P.trained("rescaled", name).folder,
    "adapt": lambda name: P.trained("adaptations", name).folder,
    "evaluate": lambda name: P.question(name).folder,
}
PAGES = (P.report_markdown, P.report_html, P.report_gain, P.report_label_issues, P.plots)
REPORT = (*PAGES, P.report_cost, P.report_metrics, P.report_verdicts)
# stages of one cell
SINGLE = {"code": (P.code,), "leakage": (P.leakage.found, P.leakage.passed), "report": REPORT}


def each_cell(test):
    return pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.stage}@{cell.name}")(test)


@cache
def imported_files(stage):
    """The files of pipeline/ that a stage's module imports, itself and at any depth, also inside functions."""
    return frozenset(imports(f"pipeline.stages.{stage}", set()))


def imports(module, seen):
    """Follow imports; a place that a registry names ("pipeline.module:attribute") counts as imported by it."""
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
                imports(name, seen)
    return seen


@each_cell
def test_the_command_runs_the_cell(cell):
    address, words = (f"{cell.stage}@{cell.name}", f" {cell.name}") if cell.name else (cell.stage, "")
    assert dvc_stages()[address].cmd == f"python -m pipeline {cell.stage}{words}"


@each_cell
def test_outs_are_those_of_paths(cell):
    """And a clock where the stage uses a device."""
    outs = {OUTS[cell.stage](cell.name)} if cell.name else set(SINGLE[cell.stage])
    outs |= {P.trained("unadapted", cell.name).folder} if cell.stage == "adapt" else set()
    outs |= {P.clock(cell.stage, cell.name)} if cell.uses_device else set()
    assert {Path(out) for out in cell.outs} == outs


@pytest.mark.parametrize("stage", STAGES)
def test_deps_on_code_are_the_import_graph(stage):
    """Every imported file lies in a dep, and every dep on code holds an imported file, which `code` copies too."""
    files = {
        file.relative_to(ROOT / "pipeline")
        for file in imported_files(stage) | set(files_of(COPIED) if stage == "code" else ())
        if file.name != "__init__.py" or file.stat().st_size  # an empty __init__ says nothing
    }
    code = "data/code" if "run.device" in STAGES[stage].params else "pipeline"  # without its words for what trains
    deps = {Path(dep).relative_to(code) for dep in STAGES[stage].deps if dep.startswith(("pipeline/", "data/code/"))}
    uncovered = {file for file in files if not any(file == dep or dep in file.parents for dep in deps)}
    unused = {dep for dep in deps if not any(file == dep or dep in file.parents for file in files)}
    assert (uncovered, unused) == (set(), set())


def test_all_that_trains_depends_on_is_copied():
    assert {f"pipeline/{part}" for part in COPIED} == set(STAGES["code"].deps)


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_imports_what_runs_it(stage):
    """So that an edit of the runner or of a command retrains nothing."""
    packages = {file.relative_to(ROOT / "pipeline").parts[0] for file in imported_files(stage)}
    assert "stages" in packages
    assert not packages & {"runner", "commands", "cli.py", "__main__.py"}


@each_cell
def test_deps_on_data_are_outs_of_other_stages_or_raw(cell):
    outs = [Path(out) for other in CELLS for out in other.outs if other is not cell]
    for dep in cell.deps:
        if not dep.startswith(("pipeline/", "data/raw/")):
            assert any(out.is_relative_to(dep) or Path(dep).is_relative_to(out) for out in outs), dep


@pytest.mark.parametrize("stage", WITHOUT_KERAS)
def test_stages_that_need_no_keras_do_not_import_it(stage):
    for file in imported_files(stage):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [m for m in modules if m.split(".")[0] in ("keras", "tensorflow")], file


def test_no_stage_depends_on_the_number_of_workers_or_on_a_cluster():
    """Results do not either, so that an edit of them makes nothing stale."""
    assert [cell for cell in CELLS if {"run", "run.workers", "run.cluster"} & set(cell.params)] == []


def test_no_stage_depends_on_what_the_store_keeps():
    assert [
        cell for cell in CELLS if "run.store_gb" in cell.params or P.store in map(Path, (*cell.deps, *cell.outs))
    ] == []


def test_what_is_trained_depends_on_the_number_of_repeats_through_its_split_alone():
    """So that a target whose folds stay as they are makes nothing stale."""
    whole = {"run.folds", "run.repeats", "questions"}
    assert {cell.stage for cell in CELLS if "run.repeats" in cell.params} == {"split", "evaluate", "report"}
    assert {cell.stage for cell in CELLS if whole & set(cell.params)} - {"validate", "forecast"} == {
        "split", "evaluate", "report",
    }  # fmt: skip


def test_dvc_yaml_names_no_entry_of_params():
    """So that who deletes the demo from params.yaml has nothing to delete here."""
    text, entries = (ROOT / "dvc.yaml").read_text(encoding="utf-8"), read_yaml(ROOT / "params.yaml")
    names = {name for section in ENTRY_SECTIONS for name in (*raw_params()[section], *entries.get(section, ()))}
    assert [name for name in names if "-" in name and name in text] == []


def test_every_stage_says_what_it_does():
    assert [address for address, stage in dvc_stages().items() if not stage.desc] == []


def test_core_has_no_file_clock_or_environment():
    """The verdict's functions take arrays and return values."""
    for file in (ROOT / "pipeline" / "verdict").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] + [getattr(node, "module", "") or ""]
                assert not {"os", "time", "pathlib", "keras", "pipeline.store.files"} & set(names), file
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("open", "print"), file
