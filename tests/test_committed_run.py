"""The committed run: docs and reports hold the same figures, as long as params.yaml is the one that gave them.

These are the only tests of the default run's figures. With a user's own params.yaml they are skipped.
"""

import hashlib
import json
from pathlib import Path

import pytest
from markupsafe import escape

from pipeline.config.loading import load_params
from pipeline.report.answers import answer
from pipeline.results.run import Run
from pipeline.store.yaml import read_yaml

ROOT = Path(__file__).parents[1]
COMMITTED = "e366121883ac3b4d"  # of the values in the params.yaml of the committed run; comments and order are free
FOUND = hashlib.sha256(json.dumps(read_yaml(ROOT / "params.yaml"), sort_keys=True).encode()).hexdigest()[:16]
pytestmark = pytest.mark.skipif(
    FOUND != COMMITTED,
    reason=f"params.yaml is no longer that of the committed run (its values have sha256 {FOUND}, not {COMMITTED}); "
    "a run of your own has figures of its own. To commit another default run, set COMMITTED in this file",
)
METRICS = json.loads((ROOT / "reports" / "metrics.json").read_text(encoding="utf-8"))
RUN = Run.from_metrics(METRICS) if FOUND == COMMITTED else None
NAMES = [name for name, result in RUN.results.items() if not result.control] if RUN else []  # questions with a card


def test_the_figures_are_those_of_all_questions_of_params():
    assert set(load_params(ROOT / "params.yaml").questions) == set(RUN.results)


@pytest.mark.parametrize("file", ["docs/committed-run.md", "reports/report.html"])
@pytest.mark.parametrize("name", NAMES)
def test_the_pages_hold_the_answer_to_every_question(name, file):
    page = (ROOT / file).read_text(encoding="utf-8")
    assert escape(answer(RUN.results[name], RUN.facts)) in " ".join(page.split()).replace("'", "&#39;")
