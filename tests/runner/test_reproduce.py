"""Independent cells run at the same time, each after those that it reads from; DVC has the last word."""

import shutil
import subprocess
import sys
import time
from threading import Lock

import pytest
from every_stage import ROOT, raw_params

from pipeline.config.loading import check_params
from pipeline.runner import reproduce
from pipeline.runner.declaration import Cell, all_cells, read_stages

CELLS = list(all_cells(read_stages(ROOT / "dvc.yaml"), check_params(raw_params())))
DIAMOND = {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"b", "c"}, "alone": set()}


def cell(name, deps=(), outs=()):
    return Cell("stage", name, (), tuple(deps), tuple(outs))


@pytest.fixture
def record(monkeypatch):
    """Run nothing; record what was running when each cell began. `fails`: exit codes by cell."""
    begun, running, lock, fails = {}, set(), Lock(), {}

    def run_cell(name, tokens, flags):
        with lock:
            begun[name] = set(running)
            running.add(name)
        time.sleep(0.05)
        with lock:
            running.discard(name)
        return fails.get(name, 0)

    monkeypatch.setattr(reproduce, "run_cell", run_cell)
    record.begun, record.fails = begun, fails
    return record


def test_a_cell_waits_for_what_it_reads(record):
    assert reproduce.run_all(DIAMOND, set(DIAMOND), 4, []) == 0
    assert list(record.begun)[-1] == "d" and set(record.begun) == set(DIAMOND)
    assert "b" in record.begun["c"] or "c" in record.begun["b"]


def test_no_more_cells_run_than_workers(record):
    reproduce.run_all({str(n): set() for n in range(9)}, {str(n) for n in range(9)}, 3, [])
    assert max(len(others) for others in record.begun.values()) == 2


def test_what_most_waits_for_begins_first(record):
    reproduce.run_all(DIAMOND, set(DIAMOND), 1, [])
    assert list(record.begun)[0] == "a"


def test_after_a_failure_nothing_more_begins(record):
    record.fails["a"] = 2
    assert reproduce.run_all({"a": set(), "b": {"a"}, "c": set()}, {"a", "b", "c"}, 1, []) == 2
    assert list(record.begun) == ["a"]


def test_only_stale_cells_run(record):
    assert reproduce.run_all(DIAMOND, {"c", "d"}, 2, []) == 0
    assert list(record.begun) == ["c", "d"]
    assert reproduce.run_all(DIAMOND, set(), 2, []) == 0


def test_what_reads_a_changed_cell_is_stale():
    assert reproduce.with_consumers(DIAMOND, ["b"]) == {"b", "d"}
    assert reproduce.with_consumers(DIAMOND, ["nowhere"]) == set()


def test_a_cell_reads_from_the_writers_of_its_deps():
    cells = [
        cell("w", outs=["data/x"]),
        cell("inside", deps=["data/x/file.json"]),
        cell("around", deps=["data"]),
        cell("beside", deps=["data/xy"]),
    ]
    found = reproduce.producers(cells)
    assert found == {
        "stage@w": set(), "stage@inside": {"stage@w"}, "stage@around": {"stage@w"}, "stage@beside": set()
    }  # fmt: skip


def test_the_graph_is_that_of_dvc(dvc_edges):
    """Of the pipeline with an entry in every section."""
    assert reproduce.producers(CELLS) == dvc_edges


@pytest.fixture
def dvc_edges(tmp_path, monkeypatch):
    from dvc.repo import Repo
    from dvc.utils.serialize import dump_yaml

    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    dump_yaml(tmp_path / "params.yaml", raw_params())
    monkeypatch.chdir(tmp_path)
    graph = Repo.init(tmp_path, no_scm=True).index.graph
    return {stage.addressing: {needed.addressing for needed in graph.successors(stage)} for stage in graph}


DVC_YAML = """
stages:
  first: {cmd: "sleep 1; echo 1 > first; echo x >> log", outs: [first]}
  second: {cmd: "sleep 1; echo 2 > second; echo x >> log", outs: [second]}
  third: {cmd: "cat first second > third; echo x >> log", deps: [first, second], outs: [third]}
"""
CODE = """
import sys
from pipeline.runner.declaration import Cell
from pipeline.runner.reproduce import reproduce
cells = [Cell("first", "", (), (), ("first",)), Cell("second", "", (), (), ("second",)),
         Cell("third", "", (), ("first", "second"), ("third",))]
sys.exit(reproduce(cells, int(sys.argv[1])))
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_dvc_ends_up_where_it_would_alone(tmp_path, repository, workers):
    import os

    environment = os.environ | {"PYTHONPATH": str(repository)}
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    for _ in range(2):
        subprocess.run([sys.executable, "-c", CODE, str(workers)], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "third").read_text() == "1\n2\n"
    assert (tmp_path / "log").read_text().count("x") == 3
    status = subprocess.run([sys.executable, "-m", "dvc", "status"], cwd=tmp_path, capture_output=True, text=True)
    assert "up to date" in status.stdout
