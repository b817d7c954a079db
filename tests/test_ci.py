"""The scripts and templates of ci/: run in a clean clone, and held against what the services' files must be."""

import http.server
import json
import re
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path

import builders
import pytest
import tiny_repository
from ruamel.yaml import YAML

from pipeline.store.files import write_text

CI = Path(__file__).parents[1] / "ci"
TEMPLATES = {"github.yml": "vendor.github-workflows", "gitlab.yml": "vendor.gitlab-ci"}  # names of their schemas
SCRIPTS = ["install.sh", "reproduce.sh", "gate.sh", "comment.sh"]  # in this order


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """A repository whose run was pushed to a folder, and the file in which its stages note that they run."""
    folder = tmp_path_factory.mktemp("ci")
    root, ran = folder / "origin", folder / "ran"
    root.mkdir()
    tiny_repository.make(root, f"    url = {folder / 'storage'}\n")
    tiny_repository.reproduce_and_push(root, tiny_repository.environment(ran))
    return root, ran


def test_the_scripts_in_a_clean_clone_run_nothing_anew_and_refuse_what_flips(pushed, tmp_path):
    origin, ran = pushed
    assert ran.read_text() == "train\nreport\n"
    clone, env = tiny_repository.clone(origin, tmp_path / "clone"), tiny_repository.environment(ran, EXTRAS="demo,s3")
    tiny_repository.run(clone, "ci/install.sh", env=env)
    assert (clone / ".venv" / "installed").read_text() == "demo,s3\n"
    told = tiny_repository.run(clone, "ci/reproduce.sh", env=env)
    assert ran.read_text() == "train\nreport\n"  # of the run that was pushed
    assert (clone / "models" / "network.txt").read_text() == "weights"
    assert "The committed results are not those of this commit" not in told
    assert "Gate: passed" in tiny_repository.run(clone, "ci/gate.sh", "origin/main", env=env)

    flipped = builders.transfer(builders.verdict(-0.05))
    tiny_repository.write_results(clone, flipped, "reports/metrics.json")
    env["PLOT_URL"] = "https://x/gain.svg"
    assert "flipped: stripes" in tiny_repository.run(clone, "ci/gate.sh", "origin/main", code=3, env=env)
    page = (clone / "build" / "gate.md").read_text()
    assert "**refused**: flipped" in page and "(<https://x/gain.svg>)" in page


def test_without_a_remote_everything_runs_and_results_that_were_not_committed_are_told(pushed, tmp_path):
    origin, _ = pushed
    ran, clone = tmp_path / "ran", tiny_repository.clone(origin, tmp_path / "clone")
    env = tiny_repository.environment(ran)
    write_text(clone / ".dvc" / "config", "[core]\n    autostage = true\n")
    write_text(clone / "params.yaml", (clone / "params.yaml").read_text().replace("seed: 7", "seed: 8"))
    tiny_repository.run(clone, "ci/install.sh", env=env)
    told = tiny_repository.run(clone, "ci/reproduce.sh", env=env)
    assert "No DVC remote is set up" in told and "The committed results are not those of this commit" in told
    assert ran.read_text() == "train\n"  # with the same output, so that `report` has nothing to do


TWO_CELLS = """
stages:
  train-one: {cmd: python train.py one, deps: [train.py], outs: [models/one.txt]}
  train-two: {cmd: python train.py two, deps: [train.py], outs: [models/two.txt]}
  report:
    cmd: python report.py
    deps: [models/one.txt, models/two.txt, results.json]
    metrics: [reports/metrics.json: {cache: false}]
"""
TRAIN_ONE_OF_TWO = """
import os, sys
open(os.environ["RAN"], "a").write(f"{sys.argv[1]}\\n")
open(f"models/{sys.argv[1]}.txt", "w").write(sys.argv[1])
"""


@pytest.mark.slow
def test_cells_of_several_clones_are_collected_by_another_that_trains_nothing(tmp_path):
    origin = tmp_path / "origin"
    origin.mkdir()
    tiny_repository.make(origin, f"    url = {tmp_path / 'storage'}\n")
    write_text(origin / "dvc.yaml", TWO_CELLS)
    write_text(origin / "train.py", TRAIN_ONE_OF_TWO)
    tiny_repository.commit(origin, "two cells")
    ran, env = {}, {}
    for name, command in {"a": "ci/cell.sh train-one", "b": "ci/cell.sh train-two", "c": "ci/reproduce.sh"}.items():
        clone = tiny_repository.clone(origin, tmp_path / name)
        env[name] = tiny_repository.environment(tmp_path / f"ran-{name}")
        tiny_repository.run(clone, "ci/install.sh", env=env[name])
        tiny_repository.run(clone, *command.split(), env=env[name])
        ran[name] = (tmp_path / f"ran-{name}").read_text().split()
    assert ran == {"a": ["one"], "b": ["two"], "c": ["report"]}
    assert [(clone / "models" / f"{name}.txt").read_text() for name in ("one", "two")] == ["one", "two"]


def test_a_cell_without_a_remote_is_refused(tmp_path):
    tiny_repository.make(tmp_path, "")
    write_text(tmp_path / ".dvc" / "config", "")
    env = tiny_repository.environment(tmp_path / "ran")
    tiny_repository.run(tmp_path, "ci/install.sh", env=env)
    assert "where a DVC remote is set up" in tiny_repository.run(tmp_path, "ci/cell.sh", "train", env=env, code=2)


def test_the_gate_holds_what_was_committed_where_the_branch_left(pushed, tmp_path):
    """What main gained since then is no loss of this branch; a base without results, or none at all, is told."""
    origin, ran = pushed
    clone, env = tiny_repository.clone(origin, tmp_path / "clone"), tiny_repository.environment(ran)
    tiny_repository.run(clone, "ci/install.sh", env=env)
    tiny_repository.git(clone, "checkout", "--quiet", "-b", "branch")
    tiny_repository.git(clone, "checkout", "--quiet", "main")
    tiny_repository.write_results(clone, builders.transfer(builders.verdict(-0.05)), "reports/metrics.json")
    tiny_repository.commit(clone, "main goes on")
    tiny_repository.git(clone, "checkout", "--quiet", "branch")
    assert "Gate: passed" in tiny_repository.run(clone, "ci/gate.sh", "main", env=env)
    first = tiny_repository.git(clone, "rev-list", "--max-parents=0", "HEAD")
    assert "nothing to hold" in tiny_repository.run(clone, "ci/gate.sh", first, env=env)
    assert not (clone / "build" / "gate.md").exists()
    assert "Fetch the whole history" in tiny_repository.run(clone, "ci/gate.sh", "origin/gone", code=2, env=env)


# ---- the comment -----------------------------------------------------------------------------------------------------

# answers `gh api`: the id of our comment where it is asked for comments, and notes every call
GH = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$*" in *--jq*) printf '%s' "$OURS" ;; esac
"""


def commented(tmp_path, **environment):
    """Run ci/comment.sh where build/gate.md is there, with a `gh` that notes its calls."""
    root = tmp_path / "project"
    for folder in ("ci", "build", ".venv/bin", "bin"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "ci" / "comment.sh").write_bytes((CI / "comment.sh").read_bytes())
    (root / "build" / "gate.md").write_text("<!-- marker -->\n\n## Gate: passed & more\n")
    for name, text in {".venv/bin/python": f'#!/bin/sh\nexec {sys.executable} "$@"\n', "bin/gh": GH}.items():
        (root / name).write_text(text)
        (root / name).chmod(0o755)
    env = tiny_repository.environment(tmp_path / "ran", CALLS=str(tmp_path / "calls"), **environment)
    for name in ("GITHUB_REPOSITORY", "CI_MERGE_REQUEST_IID"):
        if name not in environment:
            env.pop(name, None)
    env["PATH"] = f"{root / 'bin'}:{env['PATH']}"
    return tiny_repository.run(root, "bash", "ci/comment.sh", env=env)


@pytest.mark.parametrize(
    ("ours", "call"),
    [
        ("", "api --silent --method POST repos/me/mine/issues/7/comments --field body=@build/gate.md"),
        ("12\n13", "api --silent --method PATCH repos/me/mine/issues/comments/12 --field body=@build/gate.md"),
    ],
)
def test_a_pull_request_has_one_comment(ours, call, tmp_path):
    summary = tmp_path / "summary"
    commented(tmp_path, GITHUB_REPOSITORY="me/mine", PULL_REQUEST="7", OURS=ours, GITHUB_STEP_SUMMARY=str(summary))
    calls = (tmp_path / "calls").read_text().splitlines()
    assert 'startswith("<!-- marker -->")' in calls[0] and calls[1:] == [call]
    assert "## Gate: passed" in summary.read_text()


@pytest.fixture
def gitlab():
    """A server that has GitLab's notes of merge request 3 of project 5, and the requests that it got."""

    class Notes(http.server.BaseHTTPRequestHandler):
        notes, requests = [{"id": 1, "body": "Nice."}], []

        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            self.requests.append((self.command, self.path, self.headers["PRIVATE-TOKEN"], body))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(self.notes).encode())

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Notes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", Notes
    server.shutdown()


@pytest.mark.parametrize("ours", [False, True])
def test_a_merge_request_has_one_comment(ours, gitlab, tmp_path):
    url, server = gitlab
    if ours:
        server.notes = [*server.notes, {"id": 9, "body": "<!-- marker -->\nof an earlier run"}]
    commented(tmp_path, CI_MERGE_REQUEST_IID="3", CI_API_V4_URL=url, CI_PROJECT_ID="5", GITLAB_TOKEN="secret")
    (_, asked, token, _), (method, path, _, body) = server.requests
    notes = "/projects/5/merge_requests/3/notes"
    assert (asked, token) == (f"{notes}?per_page=100", "secret")
    assert (method, path) == (("PUT", f"{notes}/9") if ours else ("POST", notes))
    assert urllib.parse.parse_qs(body) == {"body": ["<!-- marker -->\n\n## Gate: passed & more\n"]}


def test_elsewhere_nothing_is_sent(tmp_path):
    assert "Neither a pull request" in commented(tmp_path)


# ---- the templates ---------------------------------------------------------------------------------------------------


def template(name):
    return YAML(typ="safe", pure=True).load((CI / name).read_text(encoding="utf-8"))


def github_steps():
    return template("github.yml")["jobs"]["verdict"]["steps"]


def lines_of(name):
    """The shell lines of a template."""
    if name == "github.yml":
        return [step["run"] for step in github_steps() if "run" in step]
    job = template(name)["verdict"]
    return job["script"] + job["after_script"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_calls_the_scripts_of_this_repository_in_order_and_nothing_else(name):
    assert [line.split()[0] for line in lines_of(name)] == [f"ci/{script}" for script in SCRIPTS]


@pytest.mark.parametrize("name", [*SCRIPTS, "cell.sh"])
def test_a_script_is_executable_and_valid(name):
    assert (CI / name).stat().st_mode & 0o111
    subprocess.run(["bash", "-n", CI / name], check=True)
    text = (CI / name).read_text()
    assert text.startswith("#!/usr/bin/env bash\n") and "set -euo pipefail\n" in text


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_keeps_the_published_schema(name):
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", TEMPLATES[name], CI / name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_github_installs_the_pinned_dvc_and_fetches_the_history():
    used = {step["uses"].split("@")[0]: step.get("with", {}) for step in github_steps() if "uses" in step}
    (pinned,) = re.findall(r"(?m)^dvc==(.*)$", (CI.parent / "constraints.txt").read_text())
    assert used["treeverse/setup-dvc"]["version"] == pinned
    assert used["actions/checkout"]["fetch-depth"] == 0
    assert template("gitlab.yml")["verdict"]["variables"]["GIT_DEPTH"] == "0"


def test_the_report_is_uploaded_and_commented_although_the_gate_refuses():
    by_name = {step.get("name"): step for step in github_steps()}
    for name in ("Comment", "Upload the report"):
        assert by_name[name]["if"] == "${{ !cancelled() }}"
    assert by_name["Upload the report"]["with"]["path"].split() == ["build/gate.md", "reports", "dvc.lock"]
    assert template("gitlab.yml")["verdict"]["artifacts"]["when"] == "always"


def test_no_expression_is_put_into_a_shell_line():
    """A branch's name is its author's text: GitHub fills expressions in before the shell reads the line."""
    assert not any("${{" in line for line in lines_of("github.yml"))
