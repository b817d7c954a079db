"""Params of a tiny run and their error message, for tests that add an entry to a registry."""

import copy
from typing import Any

import pytest
import tiny_world

from pipeline.config.loading import check_params
from pipeline.store.errors import ParamsError


def params() -> dict[str, Any]:
    """Valid params for a test to change; the files that they name do not exist."""
    raw = copy.deepcopy(tiny_world.RAW)
    for section in ("sources", "baselines"):
        for entry in raw[section].values():
            entry["sha256"] = "0" * 64
    return raw


def refusal(raw: dict[str, Any]) -> str:
    """The message of the only fault of params."""
    with pytest.raises(ParamsError) as caught:
        check_params(raw)
    (fault,) = caught.value.faults
    return fault
