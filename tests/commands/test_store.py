"""`python -m pipeline store`: how much is kept, for how long it was not used, and what a smaller limit deletes."""

import os
import time

import numpy as np
import pytest

from pipeline.commands.store import DAY, describe, prune
from pipeline.store.files import write_npy
from pipeline.store.kept import GIGABYTE, Store
from pipeline.store.paths import Paths

KEYS = [f"{number:02d}" + "b" * 62 for number in range(3)]


@pytest.fixture
def paths(tmp_path):
    """Three entries of 5 MB, not used for 0, 1 and 2 days."""
    paths = Paths(tmp_path)
    for age, key in enumerate(KEYS):
        Store(paths.store).make(key, lambda folder: write_npy(folder / "content.npy", np.zeros(5_000_000, np.uint8)))
        used = time.time() - age * DAY
        os.utime(Store(paths.store).entry(key), (used, used))
    return paths


def test_an_empty_store_says_so(tmp_path):
    assert describe(Paths(tmp_path), 10) == "store: empty"
    assert prune(Paths(tmp_path), 1).startswith("store: 0 results (0.00 GB) deleted, 0 (0.00 GB) left")
    assert not Paths(tmp_path).store.exists()


def test_number_size_limit_and_age_are_told(paths):
    assert describe(paths, 0.5).startswith(
        "store: 3 results, 0.02 GB of at most 0.5 (run.store_gb), the least recently used 2 days ago; "
    )


def test_a_smaller_limit_deletes_what_was_not_used_for_longest(paths):
    assert prune(paths, 0.011) == "store: 1 results (0.01 GB) deleted, 2 (0.01 GB) left"
    assert [entry.folder.name for entry in Store(paths.store).entries()] == [KEYS[1], KEYS[0]]
    assert prune(paths, 0) == "store: 2 results (0.01 GB) deleted, 0 (0.00 GB) left"


def test_the_record_of_verdicts_is_no_result_and_is_not_deleted(paths):
    record = paths.judged("cells")
    record.parent.mkdir()
    record.write_text("{}")
    assert describe(paths, 1).startswith("store: 3 results")
    prune(paths, 0)
    assert record.read_text() == "{}"


def test_while_a_run_uses_the_store_nothing_is_deleted_and_that_is_told(paths):
    with Store(paths.store).in_use():
        assert prune(paths, 0).endswith("; a run uses the store now, so nothing was deleted")
    assert len(Store(paths.store).entries()) == 3
    assert sum(entry.size for entry in Store(paths.store).entries()) / GIGABYTE == pytest.approx(0.015, rel=0.01)
