"""YAML that no reader can take: one fault, whatever the parser raises."""

from pathlib import Path

import pytest

from pipeline.store.errors import ParamsError
from pipeline.store.yaml import read_yaml

BAD = [
    "a: 2024-13-45",
    "a: !!int x",
    "a: !!bool x",
    "a: " + "9" * 5000,
    "[" * 3000,
    "\0",
    "a: b: c",
    "%YAML 9.9\n---\na",
]


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_what_is_no_yaml_is_one_fault(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=r"params\.yaml has 1 fault"):
        read_yaml(tmp_path / "params.yaml")
