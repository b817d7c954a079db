"""The committed run: README and the reports hold the same figures, as long as params.yaml is the one that gave them.

These are the only tests of the default run's figures. With a user's own params.yaml they are skipped.
"""

import hashlib
import json
from pathlib import Path

import pytest

from pipeline.config.loading import load_params
from pipeline.reporting.sentences import sentence
from pipeline.store.yaml import read_yaml

ROOT = Path(__file__).parents[1]
COMMITTED = "b1172fad66a6fab9"  # of the values in the params.yaml of the committed run; comments and order are free
FOUND = hashlib.sha256(json.dumps(read_yaml(ROOT / "params.yaml"), sort_keys=True).encode()).hexdigest()[:16]
pytestmark = pytest.mark.skipif(
    FOUND != COMMITTED,
    reason=f"params.yaml is no longer that of the committed run (its values have sha256 {FOUND}, not {COMMITTED}); "
    "a run of your own has figures of its own. To commit another default run, set COMMITTED in this file",
)
FILE = ROOT / "reports" / "metrics.json"
METRICS = json.loads(FILE.read_text(encoding="utf-8")) if FOUND == COMMITTED else {}
NAMES = [name for name in METRICS if name != "run"]


def test_the_figures_are_those_of_all_questions_of_params():
    params = load_params(ROOT / "params.yaml")
    assert {*params.transfers, *params.nulls, *params.adaptations} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_readme_holds_the_figures_of_the_committed_run(name):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert sentence(name, METRICS[name], METRICS["run"]["metric"]) in " ".join(readme.split())


@pytest.mark.parametrize("name", NAMES)
def test_the_report_holds_the_figures_of_the_metrics(name):
    html = (ROOT / "reports" / "report.html").read_text(encoding="utf-8")
    assert sentence(name, METRICS[name], METRICS["run"]["metric"]) in html
