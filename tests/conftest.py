"""What tests of several packages share; heavy imports are left to the fixtures that need them."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")  # as `one_thread`, which comes too late once a test used Keras
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

# processes that tests start inherit that Ctrl-C is ignored, as it is for a command with `&`
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).parents[1]


class World(NamedTuple):
    """The folder of a finished run in miniature (see tiny_world.py) and its params as a mapping."""

    root: Path
    raw: dict[str, Any]


settings.register_profile("steady", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("steady")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take longest first, so that workers end together.

    One worker makes the run from end to end, and another meanwhile the world, for which others would have to wait.
    """
    first = {"test_end_to_end.py": 0, "test_cli.py": 1}
    items.sort(key=lambda item: (first.get(item.path.name, 2), item.path.parent != REPOSITORY / "tests"))


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def params_file() -> Path:
    """The params of the tests, with entries in every section; params.yaml of the repository is its user's."""
    return REPOSITORY / "tests" / "params.yaml"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A folder with params and a dataset, no Keras."""
    import tiny_world

    tiny_world.make_without_keras(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Made once for all tests, of all workers: they only read it; one that changes something takes `world_copy`."""
    import tiny_world

    from pipeline.runner.stage import locked

    own = tmp_path_factory.getbasetemp()
    root = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "world"
    made = root.with_suffix(".json")  # the params as `make` gives them, once all stages have run
    with locked(root.with_suffix(".lock"), patience=600):
        if not made.exists():
            shutil.rmtree(root, ignore_errors=True)  # of a worker that failed
            root.mkdir()
            raw = tiny_world.make(root)
            tiny_world.run_cells(root)
            made.write_text(json.dumps(raw), encoding="utf-8")
    return World(root, json.loads(made.read_text(encoding="utf-8")))


@pytest.fixture
def world_copy(world: World, tmp_path: Path) -> Callable[..., World]:
    """Copy the finished run; the backbone stays where it was, so that its path in params holds."""
    import copy

    import tiny_world

    def made(**sections: dict[str, Any]) -> World:
        root = tmp_path / "copy"
        shutil.copytree(world.root, root)
        raw = copy.deepcopy(world.raw)
        for section, changes in sections.items():
            raw[section] |= changes
        tiny_world.write_params(root, raw)
        return World(root, raw)

    return made
