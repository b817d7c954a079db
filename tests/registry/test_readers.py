"""A registered reader is accepted by params, listed in messages, and used by ingest."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.config.loading import check_params
from pipeline.config.params import Params
from pipeline.config.schema import Dataset, Run
from pipeline.datasets.readers.raw import RawDataset, RawImage
from pipeline.registry.readers import READERS, ReaderEntry
from pipeline.stages import ingest
from pipeline.store.files import read_json, read_parquet
from pipeline.store.paths import Paths

from .asking import params, refusal


def read_named(dataset: Dataset, root: Path) -> RawDataset:
    """Images of one folder whose names begin with their label, `cat-3.png`."""
    files = sorted((root / dataset.raw).iterdir())
    images = [RawImage(file, file.name, {"label": file.name.split("-")[0]}, {}, file.name) for file in files]
    return RawDataset(images, ["label"], [], {"title": "named", "group_is_proxy": False, "skipped": 0})


@pytest.fixture(autouse=True)
def named(monkeypatch):
    monkeypatch.setitem(READERS, "named", ReaderEntry(f"{__name__}:read_named", groups=("camera",)))


def test_params_accept_it_and_its_groups():
    raw = params()
    raw["datasets"]["toy"] |= {"reader": "named", "group": "camera"}
    assert check_params(raw).datasets["toy"].reader == "named"
    raw["datasets"]["toy"]["group"] = "camara"
    fault = refusal(raw)
    assert "received 'camara' (did you mean 'camera'?); allowed with reader named: camera, null" in fault


def test_the_refusal_of_another_lists_it():
    raw = params()
    raw["datasets"]["toy"]["reader"] = "Namedd"
    expected = "should be one of elpv, folder, table, named (did you mean 'named'?); received 'Namedd'"
    assert refusal(raw) == f"datasets.toy.reader: {expected}"


def test_ingest_reads_by_it(tmp_path):
    for index in range(6):
        file = tmp_path / "raw" / f"{('cat', 'dog')[index % 2]}-{index}.png"
        file.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (40, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(file)
    dataset = Dataset(reader="named", raw="raw", labels=["label"])
    asked = Params.model_construct(run=Run.model_construct(seed=7, image_size=32), datasets={"own": dataset})
    ingest.run(asked, Paths(tmp_path), "own")
    files = Paths(tmp_path).dataset("own")
    assert sorted(read_parquet(files.manifest)["label"]) == ["cat"] * 3 + ["dog"] * 3
    assert read_json(files.card)["reader"] == "named"
