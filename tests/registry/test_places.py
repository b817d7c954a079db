"""Every import path in a registry resolves, and reading the registries imports none of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import registry
from pipeline.pretraining.settings import PretrainFitting
from pipeline.registry.adaptation import ADAPTATION
from pipeline.registry.architectures import ARCHITECTURES
from pipeline.registry.criteria import CRITERIA
from pipeline.registry.metrics import DECIDING, REPORTED
from pipeline.registry.pretraining import PRETRAINING
from pipeline.registry.readers import READERS
from pipeline.registry.tuning import TUNING
from pipeline.store.places import load

PLACES = {f"reader {name}": entry.read for name, entry in READERS.items()}
PLACES |= {f"architecture {name}": entry.build for name, entry in ARCHITECTURES.items()}
PLACES |= {f"weights of {name}": entry.imagenet.load for name, entry in ARCHITECTURES.items() if entry.imagenet}
PLACES |= {f"metric {name}": place for name, place in (DECIDING | REPORTED).items()}
PLACES |= {f"tuning {name}": entry.multipliers for name, entry in TUNING.items()}
PLACES |= {f"pretraining {name}": entry.learn for name, entry in PRETRAINING.items()}
PLACES |= {f"adaptation {name}": entry.prepare for name, entry in ADAPTATION.items()}
PLACES |= {f"criterion {name}": place for name, place in CRITERIA.items()}


@pytest.mark.parametrize("name", PLACES)
def test_what_a_registry_names_can_be_called(name):
    assert callable(load(PLACES[name]))


@pytest.mark.parametrize("way", PRETRAINING)
def test_settings_of_a_way_of_pretraining_are_a_model(way):
    assert issubclass(load(PRETRAINING[way].settings), PretrainFitting)


@pytest.mark.parametrize("place", ["pipeline.nowhere:x", "pipeline.store.places:nothing"])
def test_an_empty_place_is_no_silent_none(place):
    with pytest.raises((ModuleNotFoundError, AttributeError)):
        load(place)


def modules_after(code: str) -> set[str]:
    """The modules that a fresh Python has imported once it has run the code."""
    code += "\nimport sys\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_reading_the_registries_imports_nothing_heavy():
    files = Path(registry.__path__[0]).glob("[a-z]*.py")
    found = modules_after("\n".join(f"import pipeline.registry.{file.stem}" for file in files))
    assert {"pipeline.registry.readers", "pipeline.registry.criteria"} < found
    assert not {"keras", "tensorflow", "numpy", "pandas"} & found


def test_typing_params_imports_no_keras():
    found = modules_after("from pipeline.config.loading import params_model\nparams_model()")
    assert "pipeline.pretraining.settings" in found
    assert not {"keras", "tensorflow"} & found


def test_the_schema_imports_no_registry():
    """So that an entry of one kind makes only the stages stale that depend on that kind."""
    found = modules_after("import pipeline.config.params")
    assert "pipeline.config.schema" in found
    assert not [name for name in found if name.startswith("pipeline.registry")]
