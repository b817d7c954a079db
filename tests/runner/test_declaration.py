"""dvc.yaml as the runner reads it: what DVC itself makes of it, cell for cell."""

import pytest
from every_stage import ROOT, dvc_stages, raw_params

from pipeline.config.loading import check_params
from pipeline.runner.declaration import Stage, all_cells, find_cell, read_stages
from pipeline.store.errors import InputError, ParamsError

PARAMS = check_params(raw_params())
STAGES = read_stages(ROOT / "dvc.yaml")
CELLS = list(all_cells(STAGES, PARAMS))


def test_the_cells_are_those_of_dvc_and_every_stage_has_one():
    assert {f"{cell.stage}@{cell.name}" if cell.name else cell.stage for cell in CELLS} == set(dvc_stages())
    assert {cell.stage for cell in CELLS} == set(STAGES)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.stage}@{cell.name}")
def test_params_deps_and_outs_are_those_that_dvc_resolves(cell):
    stage = dvc_stages()[f"{cell.stage}@{cell.name}" if cell.name else cell.stage]
    params = [key for dep in stage.deps if hasattr(dep, "params") for key in dep.params]
    deps = [dep.def_path for dep in stage.deps if not hasattr(dep, "params")]
    outs = [out.def_path for out in stage.outs]
    assert [sorted(cell.params), sorted(cell.deps), sorted(cell.outs)] == [sorted(params), sorted(deps), sorted(outs)]


def test_a_cell_is_found_by_its_stage_and_name():
    assert find_cell(STAGES, "split", "cell-defect", PARAMS) in CELLS
    assert find_cell(STAGES, "report", None, PARAMS) in CELLS


@pytest.mark.parametrize(
    ("stage", "name", "message"),
    [
        ("splitt", "cell-defect", "No stage 'splitt'. Stages: code, ingest, validate, split"),
        (
            "split",
            "cells",
            r"takes a name from `targets` of params.yaml \(cell-defect, few-labels, .*\), received 'cells'",
        ),
        ("split", None, "received None"),
        ("report", "all", "takes no name, received 'all'"),
    ],
)
def test_an_unknown_cell_is_refused_with_those_there_are(stage, name, message):
    with pytest.raises(InputError, match=message):
        find_cell(STAGES, stage, name, PARAMS)


def written(folder, text):
    (folder / "dvc.yaml").write_text(text)
    return folder / "dvc.yaml"


def test_items_with_options_and_metrics_are_outs_too(tmp_path):
    text = """
stages:
  one:
    cmd: a
    deps: [in]
    outs: [plain, {with-options: {cache: false}}]
    metrics: [{m.json: {cache: false}}]
"""
    outs = ("plain", "with-options", "m.json")
    assert read_stages(written(tmp_path, text)) == {"one": Stage("one", None, (), ("in",), outs)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stages: {one: {foreach: [a, b], do: {cmd: x}}}", "stages.one: `foreach: ${section}` of params.yaml was"),
        ("stages: {one: {matrix: {a: [b]}, cmd: x}}", "stages.one: `foreach: ${section}` of params.yaml was expected"),
        ("stages: {one: {cmd: x, params: [{other.yaml: [a]}]}}", "stages.one: params: keys of params.yaml were"),
        ("stages: {one: cmd}", "stages.one: a mapping was expected, received 'cmd'"),
        ("vars: []", "stages: a mapping of stages was expected"),
        ("stages: {", "dvc.yaml has 1 fault:"),
    ],
)
def test_a_form_of_declaration_that_is_not_supported_is_refused(tmp_path, text, words):
    with pytest.raises(ParamsError) as caught:
        read_stages(written(tmp_path, text))
    assert words in str(caught.value)


def test_an_absent_dvc_yaml_is_refused(tmp_path):
    with pytest.raises(ParamsError, match="the file does not exist; run the command in the folder of"):
        read_stages(tmp_path / "dvc.yaml")


@pytest.mark.parametrize("field", ["pool", "nothing"], ids=["null", "not there"])
def test_a_placeholder_without_a_text_is_refused(tmp_path, field):
    text = f"stages: {{one: {{foreach: '${{targets}}', do: {{cmd: x, deps: ['data/${{item.{field}}}']}}}}}}"
    stages, raw = read_stages(written(tmp_path, text)), raw_params()
    raw["targets"]["cell-defect"]["pool"] = None
    with pytest.raises(InputError) as caught:
        find_cell(stages, "one", "cell-defect", check_params(raw))
    message = f"stage 'one' asks for ${{item.{field}}} of `targets.cell-defect` in params.yaml, which is None"
    assert message in str(caught.value)


def test_a_section_that_params_do_not_have_is_refused(tmp_path):
    stages = read_stages(written(tmp_path, "stages: {one: {foreach: '${cells}', do: {cmd: x}}}"))
    with pytest.raises(InputError, match="`cells`, which is no section of"):
        find_cell(stages, "one", "a", PARAMS)
