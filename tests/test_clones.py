"""What Git and DVC do with the outputs: after a failed stage, in a fresh clone, and after an entry is removed.

The stages of dvc.yaml run under DVC in a Git repository; their commands are stand-ins that write a word to every out.
"""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import tiny_world
from dvc.cli import main as dvc
from dvc.utils.serialize import dump_yaml
from every_stage import ROOT, dvc_stages

from pipeline import cli
from pipeline.config.loading import check_params
from pipeline.runner.declaration import all_cells, read_stages
from pipeline.runner.shared_folders import delete_leftovers, shared_folders
from pipeline.store.yaml import read_yaml

COPIED = (".dvcignore", ".gitattributes", ".gitignore", "dvc.yaml")
NAMES = {  # section -> the entries that are asked for
    "targets": ("defect",),
    "pretrained": (),
    "baselines": ("defect-tiny", "defect-again"),
    "transfers": ("to-defect",),
    "adaptations": (),
    "questions": ("to-defect", "defect-null"),
}
STAND_IN = """
import json, os, sys
from pathlib import Path
address = "@".join(sys.argv[3:])
with open(os.environ["RAN"], "a") as log:
    print(address, file=log)
if address == os.environ.get("FAILS"):
    sys.exit(2)
if address == "report":
    import test_clones
    test_clones.before_a_report()
for out in json.loads(Path(os.environ["OUTS"]).read_text())[address]:
    file = Path(out) if Path(out).suffix else Path(out) / "word.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"word": 1}')
for folder in ("reports/questions", "data/forecasts", "data/clocks", "data/datasets", "models/sources"):
    Path(folder).mkdir(parents=True, exist_ok=True)  # as every stage makes them
"""


def params_of_two_questions():
    raw = copy.deepcopy(tiny_world.RAW) | {"rescaled": {}, "studies": {}}
    for entry in (*raw["sources"].values(), *raw["baselines"].values()):
        entry |= {"architecture": "MobileNetV2"}
    raw["sources"]["tiny"]["weights"] = "random"
    return raw | {section: {name: raw[section][name] for name in names} for section, names in NAMES.items()}


def cells_here():
    return list(all_cells(read_stages(Path("dvc.yaml")), check_params(read_yaml(Path("params.yaml")))))


def tidy():
    """What `python -m pipeline repro` does before it starts DVC."""
    with mock.patch.object(cli, "run_beside", return_value=0):
        assert cli.reproduce_all(force=False, run_cache=True) == 0


def before_a_report():
    """What `run_stage` does for the report, in a process of its own."""
    outs = {
        out for cell in cells_here() for out in cell.outs if out.startswith(("reports/questions", "data/forecasts"))
    }
    if missing := [out for out in outs if not Path(out).exists()]:
        sys.exit(f"absent: {missing}")
    delete_leftovers(shared_folders(read_stages(Path("dvc.yaml"))), cells_here(), Path())


def git(*words):
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Workspace:
    """A Git repository whose stages note that they ran."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.monkeypatch = folder, monkeypatch
        self.enter()

    def enter(self):
        self.monkeypatch.chdir(self.folder)

    def dvc(self, *words, fails=""):
        """Run DVC's command line here; returns its exit code and the addresses that ran."""
        log = self.folder.with_name("ran")
        log.write_text("")
        self.monkeypatch.setenv("FAILS", fails)
        self.enter()
        code = dvc([*words, "--quiet"])
        return code, log.read_text().split()


def set_environment(monkeypatch, world):
    """`python` is the stand-in; Git has an author."""
    monkeypatch.setenv("PATH", f"{world / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'tests'}")
    monkeypatch.setenv("RAN", str(world / "ran"))
    monkeypatch.setenv("OUTS", str(world / "outs.json"))
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@localhost")


def write_stand_in(world):
    (world / "bin").mkdir()
    (world / "stand_in.py").write_text(STAND_IN)
    stand_in = world / "bin" / "python"
    stand_in.write_text(f'#!/bin/sh\nexec {sys.executable} "${{0%/*}}/../stand_in.py" "$@"\n')
    stand_in.chmod(0o755)
    outs = {"@".join(filter(None, (cell.stage, cell.name))): cell.outs for cell in cells_here()}
    outs["code"] = sorted({dep for cell in cells_here() for dep in cell.deps if dep.startswith("data/code/")})
    (world / "outs.json").write_text(json.dumps(outs))


def write_project(folder):
    """The files that this repository commits, as far as they concern DVC and Git, and params of two questions."""
    for name in COPIED:
        (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / "pipeline").symlink_to(ROOT / "pipeline")
    (folder / "raw").mkdir()
    (folder / "raw" / "image").write_text("raw")
    dump_yaml(folder / "params.yaml", params_of_two_questions())


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A run that fails in its last but one cell and then goes on to the end, published and cloned.

    `work` and `clone` are the repositories, `storage` the remote; half.json has what Git would have added at the
    failure, and what ran after it.
    """
    world = tmp_path_factory.mktemp("world")
    folder = world / "work"
    folder.mkdir()
    write_project(folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        work = Workspace(folder, monkeypatch)
        write_stand_in(world)
        set_environment(monkeypatch, world)
        git("init", "--quiet")
        assert dvc(["init", "--quiet"]) == 0
        (folder / ".dvc" / "config").write_bytes((ROOT / ".dvc" / "config").read_bytes())
        assert dvc(["remote", "add", "--default", "storage", "../storage", "--quiet"]) == 0
        commit("pipeline")
        code, ran = work.dvc("repro", fails="evaluate@defect-null")
        assert code != 0 and len(ran) > 8
        half = commit("half a run")
        code, ran = work.dvc("repro")
        assert code == 0
        (world / "half.json").write_text(json.dumps({"added": half, "ran": ran, "then": commit("run")}))
        assert work.dvc("push")[0] == 0
        git("clone", "--quiet", ".", "../clone")
    return world


def commit(message):
    """Commit all that Git takes for new or changed; returns the paths."""
    git("add", "--all")
    paths = sorted(line[3:] for line in git("status", "--porcelain").splitlines())
    git("commit", "--quiet", "-m", message)
    return paths


@pytest.fixture
def copied(world, tmp_path, monkeypatch):
    copy = tmp_path / "world"
    shutil.copytree(world, copy, symlinks=True)
    set_environment(monkeypatch, copy)
    return copy


@pytest.fixture
def work(copied, monkeypatch):
    """The repository of the run, whose outputs are there."""
    return Workspace(copied / "work", monkeypatch)


@pytest.fixture
def clone(copied, monkeypatch):
    """A fresh clone: it has what is committed."""
    return Workspace(copied / "clone", monkeypatch)


def reports():
    """The committed reports and their bytes."""
    return {path: Path(path).read_bytes() for path in git("ls-files", "reports").split()}


def publish(work):
    work.enter()
    commit("run")
    assert work.dvc("push")[0] == 0


@pytest.mark.slow
def test_after_a_failed_stage_git_adds_no_output(world):
    """Neither of stages that had completed nor, after a further run, of any other; and that run is not refused."""
    half = json.loads((world / "half.json").read_text())
    assert half["added"] == ["dvc.lock"]
    assert half["ran"] == ["evaluate@defect-null", "report"]
    named = {
        "cost.json",
        "gain.svg",
        "label_issues.csv",
        "metrics.json",
        "plots",
        "report.html",
        "report.md",
        "verdicts.json",
    }
    assert {path.split("/")[1] for path in half["then"] if path != "dvc.lock"} == named


def test_git_ignores_all_that_stages_write_but_the_report(tmp_path):
    """Of every stage, whole or cut by a kill, before DVC has seen it."""
    outs = {Path(out.def_path) for stage in dvc_stages().values() for out in stage.outs if out.use_cache}
    written = {str(path) for out in outs for path in (out, out.with_name(f".{out.name}.123.tmp"), out / "a")}
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    asked = ["git", "-C", tmp_path, "check-ignore", "--stdin"]
    done = subprocess.run(asked, input="\n".join(written), capture_output=True, text=True, check=False)
    assert len(outs) > 30 and written - set(done.stdout.splitlines()) == set()


@pytest.mark.parametrize("place", ["models/heads/later", "data/clocks/later/x.json", "models/later/x", "data/later"])
def test_outputs_of_later_entries_and_stages_are_ignored(work, place):
    git("check-ignore", place)


@pytest.mark.parametrize("place", ["data/raw/mine/1.png", "models/raw/mine.keras", "data/raw/mine.dvc", "docs/x.md"])
def test_what_a_user_puts_there_is_not_ignored(work, place):
    assert subprocess.run(["git", "check-ignore", "--quiet", place], check=False).returncode == 1


def test_a_report_that_fails_leaves_the_last_one(work):
    before = reports()
    assert len(before) == 8
    code, ran = work.dvc("repro", "--force", "--single-item", "report", fails="report")
    assert code != 0 and ran == ["report"]
    assert reports() == before


@pytest.mark.slow
def test_in_a_fresh_clone_nothing_runs_and_nothing_is_deleted(clone):
    before = reports()
    for flags in (["--allow-missing"], ["--pull", "--allow-missing"], ["--pull"]):
        assert clone.dvc("repro", *flags) == (0, [])
        assert reports() == before and git("status", "--porcelain") == ""


@pytest.mark.slow
def test_in_a_fresh_clone_an_edit_runs_what_it_touches_and_the_report_once_all_is_pulled(clone):
    before, params = reports(), params_of_two_questions()
    params["questions"]["defect-null"]["repeats"] = 1
    dump_yaml("params.yaml", params)
    code, ran = clone.dvc("repro", "--pull", "--allow-missing")
    assert code != 0 and ran == ["split@defect", "evaluate@defect-null", "report"]
    assert reports() == before
    assert clone.dvc("pull")[0] == 0
    assert clone.dvc("repro") == (0, ["report"])


@pytest.mark.slow
def test_an_entry_that_is_removed_makes_no_clone_stale(work, clone):
    """Neither one that has its outputs from before nor a fresh one, whether its outputs are pulled or not."""
    assert clone.dvc("pull")[0] == 0
    work.enter()
    params = params_of_two_questions()
    del params["questions"]["defect-null"], params["baselines"]["defect-again"]
    dump_yaml("params.yaml", params)
    assert work.dvc("repro") == (0, ["split@defect", "report"])
    assert not Path("reports/questions/defect-null").exists()
    assert Path("models/baselines/defect-again").exists()  # nothing depends on that folder as a whole
    publish(work)
    git("clone", "--quiet", ".", "../fresh")
    fresh = Workspace(work.folder.with_name("fresh"), work.monkeypatch)
    assert fresh.dvc("repro", "--allow-missing") == (0, [])
    assert fresh.dvc("pull")[0] == 0 and fresh.dvc("repro") == (0, [])
    clone.enter()
    git("pull", "--quiet")
    assert clone.dvc("pull")[0] == 0
    tidy()
    assert clone.dvc("repro") == (0, []) and git("status", "--porcelain") == ""


@pytest.mark.slow
def test_an_entry_that_comes_back_is_not_trained_again(work):
    params = params_of_two_questions()
    del params["questions"]["defect-null"]
    dump_yaml("params.yaml", params)
    assert work.dvc("repro") == (0, ["split@defect", "report"])
    dump_yaml("params.yaml", params_of_two_questions())
    assert work.dvc("repro") == (0, ["report"])
    assert Path("reports/questions/defect-null/word.txt").exists()


def test_what_dvc_has_no_copy_of_is_not_deleted(work):
    Path("reports/questions/notes.txt").write_text("mine")
    for path in Path(".dvc/cache").rglob("*.dir"):
        path.unlink()
    params = params_of_two_questions()
    del params["questions"]["defect-null"]
    dump_yaml("params.yaml", params)
    tidy()
    assert Path("reports/questions/defect-null/word.txt").exists() and Path("reports/questions/notes.txt").exists()


@pytest.mark.slow
def test_a_run_without_transfers_has_no_missing_dependency(work):
    params = params_of_two_questions()
    params["transfers"], params["questions"] = {}, {"defect-null": params["questions"]["defect-null"]}
    dump_yaml("params.yaml", params)
    shutil.rmtree("data/forecasts")
    assert work.dvc("repro")[0] == 0
