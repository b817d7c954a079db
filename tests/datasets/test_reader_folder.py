"""Folder datasets: what is read, and the rows of FAULTS.md about names, links and classes."""

import os
import socket
from pathlib import Path

import pytest

from pipeline.config.schema import Dataset
from pipeline.datasets.readers.files import escaped
from pipeline.datasets.readers.folder import read_folder
from pipeline.datasets.readers.raw import RawDataset
from pipeline.store.errors import InputError


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two classes of two files; readers do not open them."""
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/deep/2.png"):
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / name).write_bytes(b"x")
    return tmp_path / "raw"


def read(raw: Path, **changes: object) -> RawDataset:
    return read_folder(Dataset(**{"reader": "folder", "raw": "raw", "labels": ["label"], **changes}), raw.parent)


def test_labels_are_the_directories_in_a_fixed_order(raw: Path) -> None:
    found = read(raw)
    assert [(image.name, image.labels["label"]) for image in found.images] == [
        ("cat/1.png", "cat"),
        ("cat/2.png", "cat"),
        ("dog/1.png", "dog"),
        ("dog/deep/2.png", "dog"),
    ]
    assert len({image.group for image in found.images}) == 4


def test_hidden_files_and_files_beside_the_classes_are_counted(raw: Path) -> None:
    (raw / "cat" / ".DS_Store").touch()
    (raw / "README.txt").touch()
    found = read(raw)
    assert (len(found.images), found.card["skipped"]) == (4, 2)


def test_missing_raw_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing at .*raw. Put there one directory per class"):
        read(tmp_path / "raw")


def test_empty_dataset(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    with pytest.raises(InputError, match="no class directory"):
        read(tmp_path / "raw")


def test_empty_class(raw: Path) -> None:
    (raw / "emu").mkdir()
    with pytest.raises(InputError, match=r"'emu' .* has no image"):
        read(raw)


@pytest.mark.parametrize("twin", ["Cat", "cat ", "CAT"])
def test_class_directories_that_are_twins(raw: Path, twin: str) -> None:
    (raw / twin).mkdir()
    with pytest.raises(InputError, match="look like one class"):
        read(raw)


def test_class_directories_that_are_unicode_twins(raw: Path) -> None:
    (raw / "caf\u00e9").mkdir()
    (raw / "cafe\u0301").mkdir()
    with pytest.raises(InputError, match="look like one class"):
        read(raw)


def test_label_typo_names_the_nearest_allowed(raw: Path) -> None:
    with pytest.raises(InputError, match=r"cat/1.png: .*'cat' \(did you mean 'cats'\?\); allowed: cats, dog"):
        read(raw, classes={"label": ["cats", "dog"]})


def test_missing_class(raw: Path) -> None:
    with pytest.raises(InputError, match=r"no image of class emu \(cat: 2, dog: 2, emu: 0\)"):
        read(raw, classes={"label": ["cat", "dog", "emu"]})


@pytest.mark.parametrize("changes", [{"labels": ["kind"]}, {"weights": ["w"]}, {"group": "g"}])
def test_columns_that_a_folder_does_not_have(raw: Path, changes: dict[str, object]) -> None:
    with pytest.raises(InputError, match="no column"):
        read(raw, **changes)


def test_symlink_out_of_the_tree_dangling_loop(raw: Path) -> None:
    (raw.parent / "out.png").write_bytes(b"x")
    for target, reason in (
        (raw.parent / "out.png", "is outside"),
        (raw / "absent", "broken"),
        (raw / "cat/3.png", "circular"),
    ):
        (raw / "cat" / "3.png").symlink_to(target)
        with pytest.raises(InputError, match=f"cat/3.png' .*{reason}"):
            read(raw)
        (raw / "cat" / "3.png").unlink()


@pytest.mark.parametrize("link", ["emu", "cat/all"])
def test_link_to_a_folder(raw: Path, link: str) -> None:
    (raw / link).symlink_to(raw)
    with pytest.raises(InputError, match=f"'{link}' .* is a link to a folder"):
        read(raw)


def test_symlink_inside_the_tree_survives(raw: Path) -> None:
    (raw / "cat" / "3.png").symlink_to(raw / "cat" / "1.png")
    assert len(read(raw).images) == 5


def test_fifo_socket_refused_by_kind(raw: Path) -> None:
    os.mkfifo(raw / "cat" / "fifo")
    with pytest.raises(InputError, match="a FIFO, not a regular file"):
        read(raw)
    (raw / "cat" / "fifo").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(raw / "cat")  # the path of a socket is limited to about 100 bytes
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
        with pytest.raises(InputError, match="a socket, not a regular file"):
            read(raw)


ODD = [
    "a b.png",
    "new\nline.png",
    "quo'te\".png",
    "$(touch x).png",
    "-rf.png",
    "caf\u00e9.png",
    "cafe\u0301.png",
    "A B.png",
]


def test_odd_file_names_survive(raw: Path) -> None:
    for name in ODD:
        (raw / "cat" / name).write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(raw) + b"/cat/not\xff\xfeutf8.png")).write_bytes(b"x")
    found = read(raw)
    names = [image.name for image in found.images]
    assert len(set(names)) == 4 + len(ODD) + 1
    assert all(name.isprintable() for name in names)
    assert all(image.path.is_file() for image in found.images)
    assert "cat/new\\nline.png" in names


def test_escaping_is_one_to_one() -> None:
    assert escaped("a\nb") == "a\\nb" != escaped("a\\nb")
    assert escaped("\udcff\u202e") == "\\udcff\\u202e"


@pytest.mark.parametrize("place", ["emu", "cat/3.png"])
def test_a_class_or_an_image_that_dvc_has_not_put_there_is_no_smaller_dataset(raw: Path, place: str) -> None:
    pointer = raw / f"{place}.dvc"
    pointer.write_text(f"outs:\n- path: {pointer.stem}\n")
    with pytest.raises(InputError, match=f"'{place}' of .* is not there, but DVC knows it. Run `dvc pull {pointer}`"):
        read(raw)
    (raw / place).parent.mkdir(exist_ok=True)
    (raw / place).write_bytes(b"x") if "/" in place else (raw / place).mkdir()
    (raw / "emu").mkdir(exist_ok=True)
    (raw / "emu" / "1.png").touch()
    assert read(raw).card["left_out"] == {"*.dvc": 1}


def test_versions_of_one_picture_are_a_group(tmp_path: Path) -> None:
    names = [f"{name}_jpg.rf.{digit * 32}.jpg" for name in ("1", "2") for digit in "ab"]
    for name in [*names, "plain.rf.jpg"]:
        (tmp_path / "raw" / "cat").mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / "cat" / name).write_bytes(b"x")
    found = read_folder(Dataset(reader="folder", raw="raw", labels=["label"]), tmp_path)
    assert [image.group for image in found.images] == [*["cat/1_jpg"] * 2, *["cat/2_jpg"] * 2, "cat/plain.rf.jpg"]
