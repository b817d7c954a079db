"""Every place that a registry names holds something, and reading the registries imports none of it."""

import subprocess
import sys
from pathlib import Path

import pytest
from test_wiring import imported_files

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
REGISTRY = Path("pipeline/registry")


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


def test_reading_registries_and_params_imports_no_keras(repository):
    modules = ", ".join(f"pipeline.registry.{file.stem}" for file in (repository / REGISTRY).glob("[a-z]*.py"))
    code = f"import sys, {modules}; assert not {{'numpy', 'pandas'}} & set(sys.modules)\n"
    code += "from pathlib import Path; from pipeline.config.loading import load_params\n"
    code += "load_params(Path('params.yaml'))\n"
    code += "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=repository)


@pytest.mark.parametrize("module", ["pipeline.config.schema", "pipeline.config.params"])
def test_the_schema_imports_no_registry(repository, module):
    """So that an entry of one kind makes only the stages stale that depend on that kind."""
    files = {file.relative_to(repository) for file in imported_files(module)}
    assert not [file for file in files if REGISTRY in file.parents]
