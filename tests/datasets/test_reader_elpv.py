"""ELPV reader: a synthetic package of the same layout for the faults, the installed one for its counts."""

import hashlib
from collections import Counter
from importlib.metadata import PackageNotFoundError, distribution
from itertools import groupby
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.config.schema import Dataset
from pipeline.datasets.readers.elpv import read_elpv
from pipeline.datasets.readers.raw import RawDataset
from pipeline.store.errors import InputError

REPOSITORY = Path(__file__).parents[2]
LABELS = "images/1.png  0.0  mono\nimages/2.png  0.3333333333333333 mono\nimages/3.png  1.0  poly\n"


def has_elpv() -> bool:
    try:
        return bool(distribution("elpv-dataset"))
    except PackageNotFoundError:
        return False


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `made-up-cells` 1.0 whose module cannot be imported, and its descriptor."""
    (tmp_path / "made_up_cells-1.0.dist-info").mkdir()
    (tmp_path / "made_up_cells-1.0.dist-info" / "METADATA").write_text("Name: made-up-cells\nVersion: 1.0\n")
    data = tmp_path / "made_up_cells" / "data"
    (data / "images").mkdir(parents=True)
    (data.parent / "__init__.py").write_text("raise RuntimeError('imported')")
    (data / "labels.csv").write_text(LABELS)
    for number in "123":
        (data / "images" / f"{number}.png").write_bytes(number.encode())
    descriptor = YAML(typ="safe").load((REPOSITORY / "data/raw/elpv.yaml").read_text())
    descriptor |= {"package": "made-up-cells", "version": "1.0", "folder": "made_up_cells/data"}
    images = sha256("".join(sha256(number.encode()) for number in "123").encode())
    descriptor["sha256"] = {"labels": sha256(LABELS.encode()), "images": images}
    descriptor["blocks"] = {"sizes": [2, 1], "same": [], "why": "no ids"}
    write(tmp_path, descriptor)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def write(folder: Path, descriptor: dict[str, object]) -> None:
    with (folder / "cells.yaml").open("w") as file:
        YAML(typ="safe").dump(descriptor, file)


def changed(folder: Path, **changes: object) -> None:
    write(folder, YAML(typ="safe").load((folder / "cells.yaml").read_text()) | changes)


def read(root: Path, raw: str = "cells.yaml", **changes: object) -> RawDataset:
    labels = ["defect", "probability", "type"]
    params = {"reader": "elpv", "raw": raw, "labels": labels, "weights": ["confidence"], "group": "blocks", **changes}
    return read_elpv(Dataset(**params), root)


def test_columns_without_importing_the_package(package: Path) -> None:
    found = read(package)
    assert [tuple(image.labels.values()) for image in found.images] == [
        ("functional", "0", "mono"),
        ("functional", "1/3", "mono"),
        ("defective", "1", "poly"),
    ]
    assert [image.weights["confidence"] for image in found.images] == pytest.approx([1, 1 / 3, 1])
    assert [image.group for image in found.images] == ["block01", "block01", "block02"]
    assert found.card["group_is_proxy"] == "no ids"
    assert read(package, group=None).card["group_is_proxy"] is False


def test_package_absent_or_of_another_version(package: Path) -> None:
    changed(package, version="2.0")
    with pytest.raises(InputError, match=r"is 1.0, expected 2.0. Run `pip install -c constraints.txt -e '\.\[demo\]'`"):
        read(package)
    changed(package, package="no-such-package-here")
    with pytest.raises(InputError, match=r"not installed. Run `pip install -c constraints.txt -e '\.\[demo\]'`"):
        read(package)


@pytest.mark.parametrize("file", ["labels.csv", "images/2.png"])
def test_checksum_mismatch(package: Path, file: str) -> None:
    path = package / "made_up_cells" / "data" / file
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(InputError, match=r"not those of the descriptor: sha256 [0-9a-f]{12}, expected"):
        read(package)


def test_descriptor_absent_or_incomplete(package: Path) -> None:
    with pytest.raises(InputError, match="no descriptor at"):
        read(package, raw="absent.yaml")
    (package / "cells.yaml").write_text("package: made-up-cells\n")
    with pytest.raises(InputError, match="lacks version, folder"):
        read(package)


@pytest.mark.parametrize(
    "change", [{"blocks": "x"}, {"blocks": {"sizes": [0], "same": [[]], "why": ""}}, {"package": 3}]
)
def test_a_descriptor_with_values_of_other_types(package: Path, change: dict[str, object]) -> None:
    changed(package, **change)
    with pytest.raises(InputError, match=rf"cells.yaml: {next(iter(change))}"):
        read(package)


def test_unknown_columns(package: Path) -> None:
    with pytest.raises(InputError, match=r"no column 'defekt' \(did you mean 'defect'\?\)"):
        read(package, labels=["defekt"])
    with pytest.raises(InputError, match="available: blocks"):
        read(package, group="modules")


@pytest.fixture(scope="module")
def elpv() -> RawDataset:
    if not has_elpv():
        pytest.skip("the demo extra is not installed")
    return read(REPOSITORY, raw="data/raw/elpv.yaml")


def test_counts_are_the_published_ones(elpv: RawDataset) -> None:
    counts = Counter((image.labels["type"], image.labels["probability"]) for image in elpv.images)
    assert [counts["mono", p] for p in ("0", "1/3", "2/3", "1")] == [588, 117, 56, 313]
    assert [counts["poly", p] for p in ("0", "1/3", "2/3", "1")] == [920, 178, 50, 402]
    assert Counter(image.labels["defect"] for image in elpv.images)["defective"] == 56 + 313 + 50 + 402


def test_44_blocks_in_10_stretches_and_43_groups(elpv: RawDataset) -> None:
    types = [image.labels["type"] for image in elpv.images]
    assert [len(list(run)) for _, run in groupby(types)] == [60, 300, 180, 360, 714, 530, 72, 180, 48, 180]
    groups = [image.group for image in elpv.images]
    assert len(list(groupby(groups))) == 44
    assert len(set(groups)) == 43
    kinds = {(image.group, image.labels["type"]) for image in elpv.images}
    assert len(kinds) == 43  # no block holds both types
    assert Counter(group for group, kind in kinds)
    assert [sum(kind == name for _, kind in kinds) for name in ("mono", "poly")] == [18, 25]
    assert groups[1734] == groups[1783] == groups[2276] == groups[2335]
