"""The page on the committed run and the committed reports say the same."""

import json
from pathlib import Path

import pytest

from pipeline.reporting.sentences import sentence

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "committed-run.md").read_text(encoding="utf-8")
METRICS = json.loads((ROOT / "reports" / "metrics.json").read_text(encoding="utf-8"))
TRANSFERS = [name for name in METRICS if name != "run"]


@pytest.mark.parametrize("name", TRANSFERS)
def test_the_page_holds_the_figures_of_the_committed_run(name):
    assert sentence(name, METRICS[name], METRICS["run"]["metric"]) in " ".join(PAGE.split())


@pytest.mark.parametrize("name", TRANSFERS)
def test_the_report_holds_the_figures_of_the_metrics(name):
    html = (ROOT / "reports" / "report.html").read_text(encoding="utf-8")
    assert sentence(name, METRICS[name], METRICS["run"]["metric"]) in html
