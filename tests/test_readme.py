"""README leaves out no command and no profile, and its example of params is valid."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


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


def test_readme_params_example_is_valid(params_file):
    from ruamel.yaml import YAML

    from pipeline.config.loading import check_params
    from pipeline.store.yaml import read_yaml

    example = YAML(typ="safe", pure=True).load(re.search(r"```yaml\n(.*?)```", README, re.DOTALL)[1])
    raw = read_yaml(params_file)
    for section, entries in example.items():
        raw[section] |= entries
    assert "imagenet-to-stripes" in check_params(raw).transfers
