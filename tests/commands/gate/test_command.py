"""The gate on a Git repository: exit codes, the Markdown file, and one message for what cannot be compared."""

import contextlib
import json
import shutil
import subprocess

import builders
import pytest

from pipeline.cli import main
from pipeline.commands.gate.command import EXIT_REFUSED, gate
from pipeline.commands.gate.markdown import MARKER
from pipeline.store.errors import InputError
from pipeline.store.files import write_json, write_text
from pipeline.store.paths import Paths


def git(root, *arguments):
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def write_results(root, **results):
    Paths(root).report_metrics.parent.mkdir(parents=True, exist_ok=True)
    write_json(Paths(root).report_metrics, builders.run_of(results).metrics())


def commit(root, tag):
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "-m", tag)
    git(root, "tag", tag)


SURE = builders.transfer(evidence="conclusive")
FLIPPED = builders.transfer(builders.verdict(-0.05))


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """A project in a folder of a repository. Tags: nothing, sure, other (another version), cut; the workspace: sure."""
    repository = tmp_path_factory.mktemp("repository")
    root = repository / "project"
    root.mkdir()
    git(repository, "init", "--quiet")
    write_text(root / "README.md", "mine")
    commit(repository, "nothing")
    write_results(root, stripes=SURE)
    write_text(Paths(root).report_gain, "<svg/>")
    commit(repository, "sure")
    content = builders.run_of({"stripes": SURE}).metrics()
    write_json(Paths(root).report_metrics, content | {"run": content["run"] | {"version": 1}})
    commit(repository, "other")
    write_json(Paths(root).report_metrics, content | {"stripes": content["stripes"] | {"mood": "good"}})
    commit(repository, "newer")
    for tag, text in (("cut", '{"run": {'), ("list", "[1]"), ("conflict", "<<<<<<< HEAD\n"), ("latin", "\xff")):
        Paths(root).report_metrics.write_bytes(text.encode("latin-1"))
        commit(repository, tag)
    write_results(root, stripes=SURE)
    return root


@pytest.fixture
def project(history, tmp_path):
    shutil.copytree(history.parent, tmp_path / "repository")
    return tmp_path / "repository" / "project"


def test_the_same_results_pass(history, capsys):
    assert gate("sure", root=history) == 0
    assert capsys.readouterr().out.startswith("Gate: passed; the workspace against sure (")


def test_a_conclusive_label_that_flips_is_refused_by_exit_code_3(project, capsys):
    write_results(project, stripes=FLIPPED)
    assert gate("sure", root=project) == EXIT_REFUSED == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Gate: 1 question refused; the workspace against sure (")
    assert lines[1] == "  flipped: stripes: conclusive positive -> conclusive negative"


def test_two_revisions_are_compared_whatever_the_workspace_holds(project):
    write_results(project, stripes=FLIPPED)
    commit(project, "flipped")
    Paths(project).report_metrics.unlink()
    assert gate("sure", of="flipped", root=project) == 3
    assert gate("flipped", of="flipped", root=project) == 0


def test_the_command_line_hands_everything_on(project, capsys):
    """A drop of the recommended arm by 0.05, with a tolerance above it and below."""
    write_text(project / "dvc.yaml", "stages: {report: {cmd: make}}\n")
    worse = {"tuned": builders.qualities(0.75), "scratch": builders.qualities(0.7)}
    write_results(project, stripes=builders.transfer(arms=worse))
    with contextlib.chdir(project):
        assert main(["gate", "--against", "sure", "--tolerance", "0.06"]) == 0
        words = ["gate", "--against", "sure", "--of", "sure", "--markdown", "note.md", "--plot", "https://x/y.svg"]
        assert main(words) == 0
        assert "(<https://x/y.svg>)" in (project / "note.md").read_text()
        assert main(["gate", "--against", "sure", "--tolerance", "0.04"]) == 3
        for wrong in ("-1", "nan", "much"):
            with pytest.raises(SystemExit):
                main(["gate", "--against", "sure", f"--tolerance={wrong}"])
        assert main(["gate", "--against", "nosuch"]) == 2
    assert "error: Git knows no revision 'nosuch' here" in capsys.readouterr().err


def test_the_markdown_has_the_table_and_the_plot(project):
    write_results(project, stripes=FLIPPED, spots=builders.transfer())
    gate("sure", markdown=project / "out" / "note.md", root=project)
    text = (project / "out" / "note.md").read_text(encoding="utf-8")
    assert text.startswith(f"{MARKER}\n\n## Gate: 1 question refused\n")
    assert "- **stripes**: conclusive positive -" in text
    (row,) = (line for line in text.splitlines() if line.startswith("| stripes "))
    assert "| conclusive positive | conclusive negative |" in row and row.endswith("| **refused**: flipped, quality |")
    assert "tuned 0.800 → scratch 0.750" in row
    (added,) = (line for line in text.splitlines() if line.startswith("| spots "))
    assert "| - | conclusive positive |" in added and added.endswith("| added |")
    assert "](<../reports/gain.svg>)" in text


def test_the_markdown_distrusts_results_whose_controls_failed(project):
    for controls in ("held", "failed"):
        run = builders.run_of({"stripes": SURE}, controls=controls)
        write_json(Paths(project).report_metrics, run.metrics())
        gate("sure", markdown=project / "note.md", root=project)
        assert ("no verdict of these results is to be trusted" in (project / "note.md").read_text()) is (
            controls == "failed"
        )


def test_markup_in_a_name_stays_text(project):
    write_results(project, **{"a|b<script>": SURE})
    gate("sure", markdown=project / "note.md", root=project)
    text = (project / "note.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert "<script>" not in text and len({line.replace("\\|", "").count("|") for line in rows}) == 1


MESSAGES = {
    "nosuch": "Git knows no revision 'nosuch' here.*git fetch --unshallow",
    "--all": "Git knows no revision '--all'",
    "": "Git knows no revision ''",
    "nothing": r"'nothing' has no reports/metrics.json.*git log --oneline -- reports/metrics\.json",
    "other": "other:reports/metrics.json has version 1 of results, this program reads 2",
    "newer": "newer:reports/metrics.json has results that this program cannot read: results.stripes.mood: ",
    "cut": "cut:reports/metrics.json is damaged: it is not the JSON",
    "list": "list:reports/metrics.json is damaged",
    "conflict": "conflict:reports/metrics.json is damaged",
    "latin": "latin:reports/metrics.json is damaged",
}


@pytest.mark.parametrize("revision", MESSAGES)
def test_what_cannot_be_compared_is_one_message(revision, history):
    with pytest.raises(InputError, match=f"(?s){MESSAGES[revision]}"):
        gate(revision, root=history)
    with pytest.raises(InputError, match=f"(?s){MESSAGES[revision]}"):
        gate("sure", of=revision, root=history)


def test_a_workspace_without_results_is_one_message(project):
    file = Paths(project).report_metrics
    file.write_text("<<<<<<< HEAD\n")
    with pytest.raises(InputError, match=r"metrics.json is damaged.*`dvc repro`"):
        gate("sure", root=project)
    file.write_text(json.dumps({"run": {"version": 3}}))
    with pytest.raises(InputError, match="has version 3 of results, this program reads 2"):
        gate("sure", root=project)
    file.unlink()
    with pytest.raises(InputError, match=r"does not exist. Run `make repro` first"):
        gate("sure", root=project)


def test_outside_of_a_repository_is_one_message(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(InputError, match="is no Git repository that can be read"):
        gate("HEAD", root=tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="`git`, which is not installed"):
        gate("HEAD", root=tmp_path)
