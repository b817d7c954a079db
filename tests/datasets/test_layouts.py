"""Layouts of folders that people have: read and named, what is left out is counted, and what is ambiguous refused."""

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.config.schema import Dataset
from pipeline.datasets.readers.folder import read_folder
from pipeline.datasets.readers.layout import is_split
from pipeline.datasets.readers.raw import RawDataset
from pipeline.store.errors import InputError


def made(root: Path, *paths: str) -> Path:
    """Files below root/raw; a path that ends with a slash is an empty folder."""
    for path in paths:
        whole = root / "raw" / path
        if path.endswith("/"):
            whole.mkdir(parents=True, exist_ok=True)
        else:
            whole.parent.mkdir(parents=True, exist_ok=True)
            whole.write_bytes(b"x")
    return root


def read(root: Path, **changes: object) -> RawDataset:
    return read_folder(Dataset(**{"reader": "folder", "raw": "raw", "labels": ["label"], **changes}), root)


def each(*folders: str, names: tuple[str, ...] = ("1.png", "2.png")) -> list[str]:
    return [f"{folder}/{name}" for folder in folders for name in names]


def labels(found: RawDataset, column: str = "label") -> set[str]:
    return {image.labels[column] for image in found.images}


SPLITS = [
    ("train", "val", "test"),
    ("training", "validation"),
    ("Train", "Test"),
    ("train2017", "val2017"),
    ("seg_train", "seg_test"),
    ("train",),
    ("fold_0", "fold_1"),
    ("split1", "split2"),
]


@pytest.mark.parametrize("splits", SPLITS)
def test_splits_with_class_folders_are_one_dataset(tmp_path: Path, splits: tuple[str, ...]) -> None:
    made(tmp_path, *each(*(f"{split}/{name}" for split in splits for name in ("cat", "dog"))))
    found = read(tmp_path)
    assert labels(found) == {"cat", "dog"}
    assert len(found.images) == 4 * len(splits) == len({image.name for image in found.images})
    assert found.card["layout"] == f"splits ({', '.join(sorted(splits))}) with one folder per class"


def test_the_split_is_a_column_on_demand(tmp_path: Path) -> None:
    made(tmp_path, *each("train/cat", "train/dog", "test/cat", "test/dog"))
    found = read(tmp_path, labels=["label", "split"])
    assert {(image.name, *image.labels.values()) for image in found.images} >= {
        ("test/cat/1.png", "cat", "test"),
        ("train/dog/2.png", "dog", "train"),
    }


def test_without_splits_there_is_no_such_column(tmp_path: Path) -> None:
    made(tmp_path, *each("cat", "dog"))
    with pytest.raises(InputError, match="no column 'split'; available: label"):
        read(tmp_path, labels=["label", "split"])


def test_splits_below_the_classes(tmp_path: Path) -> None:
    made(tmp_path, *each("cat/train", "cat/test", "dog/train", "dog/test"))
    found = read(tmp_path, labels=["label", "split"])
    assert (labels(found), labels(found, "split")) == ({"cat", "dog"}, {"train", "test"})


@pytest.mark.parametrize("wrapper", ["archive", "archive/data", "images"])
@pytest.mark.parametrize("layout", [("cat", "dog"), ("train/cat", "train/dog", "val/cat", "val/dog")])
def test_wrapping_folders(tmp_path: Path, wrapper: str, layout: tuple[str, ...]) -> None:
    made(tmp_path, *each(*(f"{wrapper}/{folder}" for folder in layout)), "README.md", f"{wrapper}/notes.txt")
    found = read(tmp_path)
    assert labels(found) == {"cat", "dog"}
    assert found.card["layout"].endswith(f" in {wrapper}/")
    assert found.card["left_out"] == {"files beside the class folders": 2}


def test_splits_that_wrap_their_classes(tmp_path: Path) -> None:
    made(tmp_path, *each("train/images/cat", "train/images/dog", "test/images/cat", "test/images/dog"))
    found = read(tmp_path, labels=["label", "split"])
    assert (labels(found), labels(found, "split")) == ({"cat", "dog"}, {"train", "test"})


def test_a_split_without_labels_is_left_out_and_counted(tmp_path: Path) -> None:
    made(tmp_path, *each("train/cat", "train/dog"), *each("test", names=("1.png", "2.png", "3.png")))
    found = read(tmp_path)
    assert (labels(found), len(found.images), found.card["skipped"]) == ({"cat", "dog"}, 4, 3)


def test_images_without_labels_beside_a_split_are_no_class(tmp_path: Path) -> None:
    made(tmp_path, *each("train/cat", "train/dog", "unlabeled"))
    found = read(tmp_path)
    assert (labels(found), found.card["skipped"]) == ({"cat", "dog"}, 2)


@pytest.mark.parametrize("name", ["LICENSE", "README", "Makefile", "MD5SUMS"])
def test_what_is_written_beside_images_without_a_suffix_is_no_image(tmp_path: Path, name: str) -> None:
    made(tmp_path, *each("archive/cat", "archive/dog"), f"archive/{name}", name)
    found = read(tmp_path)
    assert (labels(found), found.card["skipped"]) == ({"cat", "dog"}, 2)


def test_an_image_may_be_named_like_a_mask_of_none_that_is_there(tmp_path: Path) -> None:
    made(tmp_path, *each("cat", "dog", names=("1_mask.png", "with mask 2.png", "mask.png")))
    assert len(read(tmp_path).images) == 6


def test_one_class_may_be_called_train(tmp_path: Path) -> None:
    made(tmp_path, *each("train", "car", "bus"))
    assert labels(read(tmp_path)) == {"train", "car", "bus"}


SYSTEM = [
    ".DS_Store",
    "._1.png",
    "Thumbs.db",
    "THUMBS.DB",
    "desktop.ini",
    "Icon\r",
    ".hidden.png",
    "1.png:Zone.Identifier",
    "@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg",
    ".@__thumb/s800_1.png",
    "#recycle/old.png",
    "@Recycle/old.png",
    "$RECYCLE.BIN/old.png",
    "System Volume Information/x.png",
    ".thumbnails/1.png",
    "thumbnails/1.png",
    "Thumbnail/1.png",
    "_thumbs/1.png",
    "@__thumb/1.png",
    "1.xmp",
    "IMG_1.AAE",
    "photos Previews.lrdata/1.png",
    "__MACOSX/._1.png",
    "lost+found/1.png",
    ".Trash-1000/files/1.png",
    ".ipynb_checkpoints/1-checkpoint.png",
    "cat.dvc",
]


@pytest.mark.parametrize("name", SYSTEM)
def test_system_files_and_thumbnails_are_left_out_and_counted_at_any_level(tmp_path: Path, name: str) -> None:
    made(tmp_path, *each("train/cat", "train/dog", "test/cat", "test/dog"))
    for folder in (".", "train", "train/cat"):
        made(tmp_path, f"{folder}/{name}")
    found = read(tmp_path)
    assert (len(found.images), labels(found)) == (8, {"cat", "dog"})
    assert found.card["skipped"] == 3
    assert list(found.card["left_out"].values()) == [3]


def test_a_folder_of_the_system_is_counted_by_its_files_and_may_hold_links(tmp_path: Path) -> None:
    made(tmp_path, *each("cat", "dog"), *each("cat/@eaDir/1.png", "cat/@eaDir/2.png"))
    (tmp_path / "raw" / "@eaDir").symlink_to("/")
    assert read(tmp_path).card["left_out"] == {"@eaDir": 5}


AMBIGUOUS = {
    "one split beside a class": (each("train/cat", "train/dog", "extra"), "named like splits .train. beside others"),
    "a wrapping folder and a stray": (
        [*each("a/cat", "a/dog"), "cover.jpg"],
        "1 files beside one folder, a/, .*cat, dog",
    ),
    "flat folds": (each("fold1", "fold2", "fold3"), "are names of splits, and no class folders"),
    "flat splits": (each("train", "test"), "are names of splits, and no class folders"),
    "splits beside classes": (each("train/cat", "test/cat", "extra/cat"), "named like splits .* beside others"),
    "groups or classes": (each("p1/0", "p1/1", "p2/0", "p2/1"), "either may be the classes"),
    "masks": (each("COVID/images", "COVID/masks", "Normal/images", "Normal/masks"), "images and annotations side by"),
    "boxes": ([*each("images/train", "images/val"), *each("labels/train", names=("1.txt",))], "images and annotations"),
    "classes of other tasks": (
        each("bottle/train/good", "bottle/test/bad", "nut/train/good", "nut/test/bad"),
        "either",
    ),
    "splits of other classes": (each("train/cat", "train/dog", "val/images", "val/more"), "shares no class folder"),
    "a split without labels in a folder": (
        each("train/cat", "train/dog", "val/cat", "val/dog", "test/unknown"),
        "test/ shares no class folder with the others: it has unknown",
    ),
    "classes in a folder beside them": (
        each("cat", "dog", "augmented/cat", "augmented/dog"),
        "cat, dog both beside and in augmented",
    ),
    "a patient in two classes": (each("cat/p1", "cat/p2", "dog/p2"), "either may be the classes"),
    "two levels in a split": (
        each("train/a/cat", "train/a/dog", "train/b/cat", "train/b/dog"),
        "raw/train has folders .a, b. with the same folders in them .cat, dog.",
    ),
    "classes in a folder beside them in a split": (
        each("train/cat", "train/dog", "train/more/cat", "val/cat", "val/dog"),
        "raw/train has cat both beside and in more",
    ),
    "a class that was moved into another": (each("cat", "dog", "cat/dog"), "dog both beside and in cat"),
    "masks beside their images": (
        each("benign", "malignant", names=("(1).png", "(1)_mask.png", "(1)_mask_1.png", "(2).png")),
        "4 files that are named like masks .* e.g. benign/.1._mask.png",
    ),
    "flat": (["1.png", "2.png"], r"no class directory \(2 files lie in it directly\)"),
    "flat with a table": (["1.png", "2.png", "labels.csv"], "set `reader: table` and `table: labels.csv`"),
    "no images": (
        [*each("cat"), *each("notes", names=("1.txt", "2.xml"))],
        r"'notes' .* has no image \(1 .txt, 1 .xml",
    ),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_what_is_ambiguous_is_refused(tmp_path: Path, case: str) -> None:
    paths, message = AMBIGUOUS[case]
    made(tmp_path, *paths)
    with pytest.raises(InputError, match=message) as refused:
        read(tmp_path)
    assert len(str(refused.value).splitlines()) <= 12


CHOICES = [
    (each("p1/0", "p1/1", "p2/0", "p2/1"), {"p1", "p2"}),
    (each("p1/0", "p1/1", "p2/0", "p2/1"), {"0", "1"}),
    (each("train", "test"), {"train", "test"}),
    (each("train/cat", "test/cat", "train/dog"), {"train", "test"}),
    (each("train/cat", "test/dog", "extra/cat"), {"cat", "dog"}),
    (each("masks/a", "images/b"), {"masks", "images"}),
    (each("cat", "more/cat"), {"cat", "more"}),
    (each("cat/p1", "cat/p2", "dog/p2"), {"cat", "dog"}),
    (each("train/a/x", "train/a/y", "train/b/x", "train/b/y"), {"a", "b"}),
    (each("train/a/x", "train/a/y", "train/b/x", "train/b/y"), {"x", "y"}),
]


@pytest.mark.parametrize("paths, classes", CHOICES)
def test_classes_in_params_decide(tmp_path: Path, paths: list[str], classes: set[str]) -> None:
    made(tmp_path, *paths)
    assert labels(read(tmp_path, classes={"label": sorted(classes)})) == classes


def test_deep_folders_and_many_classes_are_read_in_linear_time(tmp_path: Path) -> None:
    deep = "/".join(["d"] * 1500)
    made(tmp_path, "cat/1.png", *(f"c{index}/1.png" for index in range(300)))
    here = tmp_path / "raw" / "cat"
    before = Path.cwd()
    try:
        os.chdir(here)
        for _ in range(1500):  # more than Python's recursion limit
            Path("d").mkdir()
            os.chdir("d")
        Path("2.png").write_bytes(b"x")
    finally:
        os.chdir(before)
    try:
        assert f"cat/{deep}/2.png" in {image.name for image in read(tmp_path).images}
    finally:  # pytest's own removal of old folders recurses
        subprocess.run(["rm", "-r", str(here / "d")], check=True)


@pytest.mark.parametrize(
    "name", ["train", "Validation", "val_images", "test-2", "dev", "train2017", "my_train", "fold_0"]
)
def test_names_of_splits(name: str) -> None:
    assert is_split(name)


@pytest.mark.parametrize(
    "name", ["trainer", "contest", "tested", "development", "value", "cat", "protest", "fold", "split"]
)
def test_names_of_classes(name: str) -> None:
    assert not is_split(name)
