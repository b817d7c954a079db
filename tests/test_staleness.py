"""What an edit of the code makes stale, as `dvc status` tells it: the deps of dvc.yaml, under DVC itself.

Every out but that of `code` is a stand-in that `dvc commit` takes for made, so that nothing has to run.
"""

import contextlib
import re
import shutil
from pathlib import Path
from unittest import mock

import pytest
from dvc.repo import Repo
from dvc.utils.serialize import dump_yaml
from every_stage import ROOT, raw_params

from pipeline.runner.declaration import read_stages
from pipeline.stages import code
from pipeline.store.paths import Paths

RUNNER = ("runner/*.py", "commands/*.py", "cli.py", "__main__.py")
MESSAGES = ("config/references.py", "config/comparisons.py", "config/loading.py", "config/lookup.py")
STAGES = read_stages(ROOT / "dvc.yaml").values()
TRAINING = {stage.name for stage in STAGES if "run.device" in stage.params}
TRAINS = [f"{part}/**/*.py" for part in ("arms", "networks", "pretraining", "store", "training")]


def commented(text):
    return text + b"# another word\n"


def reworded(text):
    return text.replace(b"raise InputError(\n", b"raise InputError(\n'In other words: '")


def retold(text):
    """Messages that are put together before they are raised, lines of log and labels of bars."""
    return re.sub(rb'(?m)^( +)(found|remedy|label|line|done|part) = (f?)"', rb'\1\2 = \3"in other words ', text)


def computing(text):
    return text + b"ANOTHER = 1\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workspace with the code of this repository whose cells DVC all takes for made."""
    root = tmp_path_factory.mktemp("made")
    shutil.copy(ROOT / "dvc.yaml", root)
    shutil.copytree(ROOT / "pipeline", root / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    raw = raw_params()
    first = {stage.section: dict([next(iter(raw[stage.section].items()))]) for stage in STAGES if stage.section}
    dump_yaml(root / "params.yaml", raw | first | {"baselines": raw["baselines"]})
    with contextlib.chdir(root):
        copy_code(root)
        repo = Repo.init(root, no_scm=True)
        stages = repo.index.stages
        outs = [out.fs_path for stage in stages for out in stage.outs]
        deps = [dep.fs_path for stage in stages for dep in stage.deps]  # raw data too
        for path in map(Path, (*outs, *deps)):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.write_text(f"stand-in of {path.name}")
        repo.commit(force=True)
    return root


def copy_code(root):
    """Run `code` on the package of a workspace."""
    with mock.patch("pipeline.store.wordless.PACKAGE", root / "pipeline"):
        code.run(None, Paths(root), "")


def stale_after_edit(root, *patterns, edit=commented):
    """The stages with a stale cell after an edit of every file of pipeline/ that matches, once `code` has run."""
    files = {file: file.read_bytes() for pattern in patterns for file in sorted((root / "pipeline").glob(pattern))}
    assert files, patterns
    try:
        for file, text in files.items():
            file.write_bytes(edit(text))
        copy_code(root)
        with contextlib.chdir(root):
            return {address.partition("@")[0].split(":")[-1] for address in Repo(root).status()}
    finally:
        for file, text in files.items():
            file.write_bytes(text)
        copy_code(root)


def test_without_an_edit_nothing_is_stale(made):
    with contextlib.chdir(made):
        assert Repo(made).status() == {}


def test_an_edit_of_what_runs_a_stage_or_of_a_message_makes_nothing_stale(made):
    assert stale_after_edit(made, *RUNNER, *MESSAGES) == set()


def test_an_edit_of_the_report_makes_no_training_stale(made):
    stale = stale_after_edit(made, "report*/**/*.py", "report*/**/*.j2", "stages/report.py")
    assert "report" in stale and not stale & TRAINING


@pytest.mark.parametrize("edit", [commented, reworded, retold])
def test_an_edit_of_words_in_the_code_that_trains_makes_no_training_stale(made, edit):
    stale = stale_after_edit(made, *TRAINS, edit=edit)
    assert "code" in stale and not stale & TRAINING


@pytest.mark.parametrize(("file", "stale"), [("stages/head.py", {"head"}), ("networks/device.py", TRAINING)])
def test_an_edit_of_what_a_stage_computes_makes_it_stale(made, file, stale):
    assert stale_after_edit(made, file, edit=computing) == {"code", *stale}
