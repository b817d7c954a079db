"""A Git repository with the scripts of ci/ and a dvc.yaml of two stages that take no time."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import builders
import pandas as pd
import tiny_world

from pipeline.store.files import write_json, write_text
from pipeline.store.paths import Paths

ROOT = Path(__file__).parents[1]
STAGES = """
stages:
  train:
    cmd: python train.py
    deps: [train.py]
    params: [run.seed]
    outs: [models/network.txt]
  report:
    cmd: python report.py
    deps: [models/network.txt, results.json]
    metrics:
      - reports/metrics.json:
          cache: false
"""
# each notes in a file outside of the repository that it ran
TRAIN = "import os; open(os.environ['RAN'], 'a').write('train\\n'); open('models/network.txt', 'w').write('weights')"
REPORT = (
    "import os, shutil; open(os.environ['RAN'], 'a').write('report\\n');"
    "shutil.copy('results.json', 'reports/metrics.json')"
)
# as the Makefile of this repository, with the interpreter that runs the tests in the place of a new environment
MAKEFILE = f"""
.venv/installed:
\tmkdir -p .venv/bin
\tprintf '#!/bin/sh\\nexec {sys.executable} "$$@"\\n' > .venv/bin/python
\tprintf '#!/bin/sh\\nexec {sys.executable} -m dvc "$$@"\\n' > .venv/bin/dvc
\tchmod +x .venv/bin/python .venv/bin/dvc
\techo "$(EXTRAS)" > $@
"""


def environment(ran: Path, **more: str) -> dict[str, str]:
    """Variables for the scripts, without an installed DVC; stages note in `ran` that they ran."""
    folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if not (Path(folder) / "dvc").exists()]
    own = {"DVC_NO_ANALYTICS": "1", "PATH": os.pathsep.join(folders), "PYTHONPATH": str(ROOT), "RAN": str(ran)}
    return os.environ | own | more


def run(root: Path, *command: str, env: dict[str, str], code: int = 0) -> str:
    """Run a command in the repository and return what it printed; it must exit with `code`."""
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")
    return run(root, "git", *identity, *arguments, env=dict(os.environ)).strip()


def commit(root: Path, message: str) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", message)


def make(root: Path, remote: str) -> None:
    """A repository before its first run; `remote`: the settings of its remote in .dvc/config."""
    write_params_and_data(root)
    files = {
        "dvc.yaml": STAGES,
        "train.py": TRAIN,
        "report.py": REPORT,
        "Makefile": MAKEFILE,
        ".gitignore": ".venv\nbuild\n",
        ".dvc/config": f"[core]\n    remote = storage\n    autostage = true\n['remote \"storage\"']\n{remote}",
        ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
        "models/.gitignore": "",
        "reports/.gitignore": "",
    }
    for name, text in files.items():
        write_text(root / name, text)
    for script in (ROOT / "ci").glob("*.sh"):
        write_text(root / "ci" / script.name, script.read_text(encoding="utf-8"))
        (root / "ci" / script.name).chmod(0o755)
    write_results(root, builders.transfer(evidence="conclusive"))
    git(root, "init", "--quiet", "--initial-branch", "main")
    commit(root, "what is asked")


def write_params_and_data(root: Path) -> None:
    """A params.yaml in which `check` finds no fault, and the table of empty files that it names."""
    raw = copy.deepcopy(tiny_world.RAW) | {"transfers": {}, "pretrained": {}, "adaptations": {}}
    raw["datasets"] = {"toy": {"reader": "table", "raw": "raw", "table": "images.csv", "labels": ["kind"]}}
    raw["targets"] = {"kind": {"dataset": "toy", "label": "kind"}}
    raw["sources"] = {"tiny": {"architecture": "VGG16", "weights": "random"}}
    raw["baselines"] = {
        "one": {"target": "kind", "architecture": "VGG16"},
        "again": {"target": "kind", "architecture": "VGG16", "again": 1},
    }
    raw["questions"] = {"null": {"target": "kind", "arm": "baselines/again", "against": "baselines/one"}}
    tiny_world.write_params(root, raw)
    names = [f"{number}.png" for number in range(tiny_world.IMAGES)]
    for name in names:
        write_text(root / "raw" / name, "")
    table = pd.DataFrame({"path": names, "kind": ["round", "square"] * (len(names) // 2)})
    table.to_csv(root / "raw" / "images.csv", index=False)


def write_results(root: Path, result, where: str = "results.json") -> None:
    """What `report` will report."""
    write_json(root / where, builders.run_of({"stripes": result}).metrics())


def reproduce_and_push(root: Path, env: dict[str, str]) -> None:
    """Run all stages, push outputs and run cache, and commit the results."""
    dvc = (sys.executable, "-m", "dvc")
    run(root, *dvc, "repro", env=env)
    run(root, *dvc, "push", "--run-cache", env=env)
    assert Paths(root).report_metrics.is_file()
    commit(root, "the run")


def clone(root: Path, into: Path) -> Path:
    git(root.parent, "clone", "--quiet", str(root), str(into))
    return into
