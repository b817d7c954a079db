"""validate: the report is written, the same at every run, and survives a shut gate."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.config.params import Params
from pipeline.config.schema import Dataset, Run, Target
from pipeline.stages import ingest, validate
from pipeline.store.errors import InputError
from pipeline.store.paths import Paths


def params(**changes: object) -> Params:
    dataset = Dataset(reader="folder", raw="raw", labels=["label"], **changes)
    return Params.model_construct(
        run=Run.model_construct(seed=7, image_size=32, folds=2, protocol="grouped"),
        datasets={"d": dataset},
        targets={"t": Target(dataset="d", label="label"), "other": Target(dataset="e", label="x")},
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    for index in range(6):
        path = root / "raw" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(index).integers(0, 256, (40, 40), dtype=np.uint8)).save(path)
    ingest.run(params(), Paths(root), "d")
    return root


def test_the_report_is_canonical_and_the_pages_lie_beside_it(root: Path) -> None:
    paths = Paths(root)
    assert validate.run(params(), paths, "d").endswith("expectations hold")
    first = paths.validation("d").read_bytes()
    validate.run(params(), paths, "d")
    assert paths.validation("d").read_bytes() == first
    assert json.loads(first)["success"] is True
    pages = sorted(paths.data_docs("d").iterdir())
    assert [page.name for page in pages] == ["classes.html", "manifest.html", "near_duplicates.html", "targets.html"]
    assert "image_id" in pages[1].read_text()


def test_a_failed_expectation_stops_the_run_and_the_report_survives(root: Path) -> None:
    paths = Paths(root)
    paths.validation("d").unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"Dataset 'd' fails 1 of its expectations:\n  - more than 1% of the images"):
        validate.run(params(brightness=(0.9, 1.0)), paths, "d")
    report = json.loads(paths.validation("d").read_text())
    failed = [outcome for outcome in report["expectations"] if not outcome["success"]]
    assert [outcome["column"] for outcome in failed] == ["brightness"]
    assert (failed[0]["unexpected_count"], len(failed[0]["examples"])) == (6, 5)
