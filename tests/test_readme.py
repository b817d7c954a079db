"""README and the committed reports say the same, and README leaves out no command and no profile."""

import json
import re
from pathlib import Path

import pytest
from pipeline.reporting.sentences import sentence

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
METRICS = json.loads((ROOT / "reports" / "metrics.json").read_text(encoding="utf-8"))
TRANSFERS = [name for name in METRICS if name != "run"]


@pytest.mark.parametrize("name", TRANSFERS)
def test_readme_holds_the_figures_of_the_committed_run(name):
    assert sentence(name, METRICS[name], METRICS["run"]["metric"]) in " ".join(README.split())


@pytest.mark.parametrize("name", TRANSFERS)
def test_the_report_holds_the_figures_of_the_metrics(name):
    html = (ROOT / "reports" / "report.html").read_text(encoding="utf-8")
    assert sentence(name, METRICS[name], METRICS["run"]["metric"]) in html


def test_readme_names_every_profile():
    profiles = {path.stem for path in (ROOT / "profiles").glob("*.yaml")}
    assert [name for name in profiles if f"`{name}`" not in README] == []


def test_readme_names_the_targets_that_a_user_needs():
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {name for name in ("repro", "test", "smoke") if f"make {name}" in README} == {
        "repro",
        "test",
        "smoke",
    } & targets


def test_readme_params_example_is_valid():
    from ruamel.yaml import YAML

    from pipeline.config.loading import check_params
    from pipeline.store.yaml import read_yaml

    example = YAML(typ="safe", pure=True).load(re.search(r"```yaml\n(.*?)```", README, re.DOTALL)[1])
    raw = read_yaml(ROOT / "params.yaml")
    for section, entries in example.items():
        raw[section] |= entries
    assert "imagenet-to-stripes" in check_params(raw).transfers
