"""The table says so where reports/ are not of the present params.yaml, or where another workspace has a later run."""

import os

import pytest

from pipeline.commands.table import notices
from pipeline.store.files import write_text
from pipeline.store.paths import Paths

PARAMS = "run: {seed: 1, folds: 5}\ntune: {epochs: 4}\ntransfers:\n  a: {target: x}\n"
LOCK = """schema: '2.0'
stages:
  head@a:
    cmd: python -m pipeline head a
    params:
      params.yaml:
        run.seed: 1
        transfers.a: {target: x}
    outs: [{path: models/heads/a, md5: "11"}]
  tune@a:
    cmd: python -m pipeline tune a
    deps: [{path: models/heads/a, md5: "11"}]
    params:
      params.yaml:
        tune: {epochs: 4}
    outs: [{path: models/transfers/a, md5: "22"}]
  tune@removed:
    cmd: python -m pipeline tune removed
    params:
      params.yaml:
        tune: {epochs: 1}
        transfers.removed: {target: x}
    outs: [{path: models/transfers/removed, md5: "33"}]
"""


@pytest.fixture
def paths(tmp_path):
    paths = Paths(tmp_path)
    write_text(paths.params, PARAMS)
    write_text(paths.dvc_lock, LOCK)
    write_text(paths.report_metrics, "{}")
    return paths


def test_nothing_is_said_of_a_run_that_came_to_its_end(paths):
    assert list(notices(paths)) == []


def test_params_that_changed_since_are_named(paths):
    write_text(paths.params, PARAMS.replace("epochs: 4", "epochs: 5").replace("seed: 1", "seed: 2"))
    (line,) = notices(paths)
    assert "reports/ is of an earlier run. `run.seed`, `tune` changed since" in line and "`make repro`" in line


def test_a_run_that_was_interrupted_between_two_stages_is_told(paths):
    write_text(paths.dvc_lock, LOCK.replace('outs: [{path: models/heads/a, md5: "11"}]', OTHER))
    (line,) = notices(paths)
    assert "models/heads/a changed since" in line


OTHER = 'outs: [{path: models/heads/a, md5: "99"}]'


def test_few_of_many_changes_are_named(paths):
    keys = "".join(f"        run.k{number}: 0\n" for number in range(9))
    write_text(paths.dvc_lock, LOCK.replace("        run.seed: 1\n", f"        run.seed: 1\n{keys}"))
    write_text(paths.params, PARAMS.replace("seed: 1", "seed: 1, " + ", ".join(f"k{n}: 1" for n in range(9))))
    (line,) = notices(paths)
    assert "`run.k0`, `run.k1`, `run.k2`, `run.k3` and 5 more changed since" in line


def test_a_later_run_of_a_profile_is_named(paths):
    metrics = paths.root / "runs" / "smoke" / "reports" / "metrics.json"
    write_text(metrics, "{}")
    os.utime(paths.report_metrics, (1, 1))
    (line,) = notices(paths)
    assert "a later run is in" in line and "runs/smoke && python -m pipeline table`" in line
    os.utime(metrics, (0, 0))
    assert list(notices(paths)) == []


@pytest.mark.parametrize("text", ["", "stages: [1]", "stages: {a: 1}", LOCK[:200]])
def test_a_damaged_dvc_lock_is_no_matter_of_the_table(paths, text):
    write_text(paths.dvc_lock, text)
    list(notices(paths))
