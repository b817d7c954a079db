"""ingest from files to manifest, on a small folder and, where it is installed, on ELPV."""

import hashlib
import json
import os
import re
import shutil
import tracemalloc
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.config.params import Params
from pipeline.config.schema import Dataset, Run
from pipeline.datasets.grouping import assign_folds
from pipeline.stages import ingest
from pipeline.store.errors import InputError
from pipeline.store.files import check_sealed
from pipeline.store.outs import DatasetPaths
from pipeline.store.paths import Paths

REPOSITORY = Path(__file__).parents[2]


def params(size: int = 32, **changes: object) -> Params:
    dataset = Dataset(**{"reader": "folder", "raw": "raw", "labels": ["label"], "quarantine_cap": 0.5, **changes})
    return Params.model_construct(run=Run.model_construct(seed=7, image_size=size), datasets={"d": dataset})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten grey images in two classes."""
    rng = np.random.default_rng(5)
    for index in range(10):
        path = tmp_path / "raw" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 48), dtype=np.uint8)).save(path)
    return tmp_path


def made(root: Path, **changes: object) -> tuple[DatasetPaths, pd.DataFrame]:
    ingest.run(params(**changes), Paths(root), "d")
    files = Paths(root).dataset("d")
    return files, pd.read_parquet(files.manifest)


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def test_images_manifest_and_card_agree(root: Path) -> None:
    files, manifest = made(root)
    images = np.load(files.images, mmap_mode="r")
    assert (images.shape, images.dtype) == ((10, 32, 32, 1), np.uint8)
    for row, name in zip(manifest["row"], manifest["name"], strict=True):
        with Image.open(root / "raw" / name) as image:
            assert (images[row, ..., 0] == np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC))).all()
    card = json.loads(files.card.read_text())
    assert (card["images"], card["channels"], card["image_size"]) == (10, 1, 32)
    assert card["sha256"] == hashlib.sha256(files.images.read_bytes()).hexdigest()
    check_sealed(files.folder)


def test_a_second_ingest_gives_the_same_bytes_whatever_the_umask(root: Path) -> None:
    first = digests(made(root)[0].folder)
    shutil.rmtree(root / "data")
    before = os.umask(0o077)
    try:
        assert digests(made(root)[0].folder) == first
    finally:
        os.umask(before)


def test_one_colour_image_makes_three_channels(root: Path) -> None:
    Image.new("RGB", (40, 40), (250, 0, 0)).save(root / "raw" / "a" / "red.png")
    files, manifest = made(root)
    images = np.load(files.images)
    assert images.shape == (11, 32, 32, 3)
    red = manifest.set_index("name").loc["a/red.png", "row"]
    assert images[red].max(axis=(0, 1)).tolist() == [250, 0, 0]
    assert (images[0, ..., 0] == images[0, ..., 2]).all()


def test_truncated_image_is_listed_and_counted(root: Path) -> None:
    whole = (root / "raw" / "a" / "0.png").read_bytes()
    (root / "raw" / "a" / "0.png").write_bytes(whole[: len(whole) // 2])
    (root / "raw" / "b" / "=note.txt").write_text("hello")
    line = ingest.run(params(), Paths(root), "d")
    assert line == "9 images, 2 quarantined; one folder per class"
    assert not Paths(root).quarantine("d").exists()
    listed = pd.read_csv(Paths(root).dataset("d").quarantine)
    assert listed["name"].tolist() == ["a/0.png", "b/=note.txt"]
    assert listed["reason"].str.startswith(("damaged", "not an image")).all()


def test_above_the_cap_only_the_list_is_written_and_the_advice_works(root: Path) -> None:
    (root / "raw" / "a" / "0.png").write_bytes(b"")
    shutil.copy(root / "raw" / "a" / "2.png", root / "raw" / "a" / "copy.png")
    with pytest.raises(InputError, match="1 of 11 images cannot be used") as caught:
        made(root, quarantine_cap=0.05)
    assert list((root / "data" / "datasets").iterdir()) == []
    listed = Path(re.search(r"The whole list is (\S+)\.$", str(caught.value))[1])
    assert pd.read_csv(listed)["name"].tolist() == ["a/0.png", "a/copy.png"]
    assert root / "data" / "datasets" / "d" not in listed.parents  # DVC deletes this before a run
    advice = float(re.search(r"raise `quarantine_cap` to ([\d.]+)\. ", str(caught.value))[1])
    made(root, quarantine_cap=advice)
    assert not listed.exists()


def test_copies_with_the_same_label_are_merged_and_told_whatever_the_cap(root: Path) -> None:
    for copy in range(6):
        shutil.copy(root / "raw" / "a" / "2.png", root / "raw" / "a" / f"copy{copy}.png")
    line = ingest.run(params(quarantine_cap=0.0), Paths(root), "d")
    assert line.startswith("10 images, 0 quarantined, 6 copies merged;")
    files = Paths(root).dataset("d")
    assert json.loads(files.card.read_text())["merged_copies"] == 6
    listed = pd.read_csv(files.quarantine)
    assert listed["reason"].unique().tolist() == ["duplicate of a/2.png: same pixels, same labels"]


def test_copies_are_never_divided_between_folds_with_the_readme_s_settings(root: Path) -> None:
    for index in range(10):
        path = root / "raw" / "ab"[index % 2] / f"{index}.png"
        with Image.open(path) as image:
            image = image.resize((480, 400), Image.Resampling.BICUBIC)  # at this size, the noise is a picture
            image.save(path)
            image.save(path.with_name(f"{index}-again.jpg"), quality=70)
            image.crop((12, 10, 470, 392)).save(path.with_name(f"{index}-cropped.png"))
            image.point(lambda value: min(255, value + 20)).resize((240, 200)).save(
                path.with_name(f"{index}-light.png")
            )
    manifest = made(root)[1]
    stem = manifest["name"].str.extract(r"(\d+)")[0]
    assert manifest.groupby(stem)["unit"].nunique().tolist() == [1] * 10
    assert manifest["unit"].nunique() == 10
    fold = assign_folds(manifest["label"].to_numpy(), manifest["unit"].to_numpy(), 5, seed=0)
    assert pd.Series(fold).groupby(stem).nunique().max() == 1


def test_12_bits_in_16_bit_files_keep_their_grey_levels(root: Path) -> None:
    rng = np.random.default_rng(6)
    for index in range(10):
        path = root / "raw" / "ab"[index % 2] / f"{index}.png"
        Image.fromarray(rng.integers(0, 4096, (40, 48), dtype=np.uint16)).save(path)
    files, manifest = made(root)
    assert (manifest["levels"] > 200).all()
    scale = json.loads(files.card.read_text())["more_than_8_bits"]
    assert (scale["files"], scale["clipped"]) == (10, False)
    assert scale["black"] < 10 < 4080 < scale["white"]


def test_black_icons_with_transparency_are_no_duplicates(root: Path) -> None:
    shutil.rmtree(root / "raw")
    for index in range(10):
        path = root / "raw" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((40, 40, 4), np.uint8)
        pixels[..., 3] = np.random.default_rng(index).integers(0, 2, (40, 40)) * 255
        Image.fromarray(pixels).save(path)
    files, manifest = made(root, quarantine_cap=0.0)
    assert len(manifest) == 10
    assert json.loads(files.card.read_text())["transparency"] == {"files": 10, "background": "#ffffff"}


def test_same_image_in_two_classes(root: Path) -> None:
    shutil.copy(root / "raw" / "a" / "0.png", root / "raw" / "b" / "copy.png")
    shutil.copy(root / "raw" / "a" / "2.png", root / "raw" / "a" / "copy.png")
    files, manifest = made(root)
    assert len(manifest) == 9
    assert sorted(pd.read_csv(files.quarantine)["name"]) == ["a/0.png", "a/copy.png", "b/copy.png"]


@pytest.mark.parametrize("cause", ["damaged", "contradictory"])
def test_a_class_that_the_quarantine_empties_is_no_smaller_problem(root: Path, cause: str) -> None:
    """Two damaged images of a thousand are below the cap, and may be a class."""
    (root / "raw" / "rare").mkdir()
    for name in ("0.png", "2.png"):
        damaged = (root / "raw" / "a" / name).read_bytes()
        (root / "raw" / "rare" / name).write_bytes(damaged if cause == "contradictory" else damaged[:99])
    with pytest.raises(InputError, match=r"Column 'label': no image can be used of rare: 2\. Repair .* is in (\S+)\.$"):
        made(root)
    reasons = pd.read_csv(Paths(root).quarantine("d"))["reason"]
    assert reasons.str.contains("damaged" if cause == "damaged" else "same pixels").all()
    shutil.rmtree(root / "raw" / "rare")
    made(root)


def test_where_nothing_is_left_the_list_says_why(root: Path) -> None:
    for path in (root / "raw").rglob("*.png"):
        shutil.copy(root / "raw" / "a" / "0.png", path) if path.name != "0.png" else None
    with pytest.raises(InputError, match=r"^0 of 10 images can be used; .* Why the others cannot be used is in \S+\.$"):
        made(root, quarantine_cap=1.0)


def test_near_duplicate_of_another_format_shares_a_cluster(root: Path) -> None:
    with Image.open(root / "raw" / "a" / "0.png") as image:
        image.save(root / "raw" / "a" / "again.jpg", quality=95)
    manifest = made(root, near_duplicate_distance=4)[1].set_index("name")
    assert manifest.loc["a/0.png", "cluster"] == manifest.loc["a/again.jpg", "cluster"]
    assert manifest["cluster"].nunique() == 10


def test_wrong_extension_is_counted(root: Path) -> None:
    (root / "raw" / "a" / "0.png").rename(root / "raw" / "a" / "0.jpg")
    assert json.loads(made(root)[0].card.read_text())["wrong_extensions"] == 1


def test_names_that_are_not_utf8_survive(root: Path) -> None:
    (root / "raw" / "a" / "0.png").rename(os.fsdecode(os.fsencode(root) + b"/raw/a/\xff\n0.png"))
    assert "a/\\udcff\\n0.png" in made(root)[1]["name"].tolist()


def test_limit_keeps_the_same_images_when_one_is_added(root: Path) -> None:
    before = set(made(root, limit=5)[1]["name"])
    assert len(before) == 5
    Image.new("L", (40, 40), 9).save(root / "raw" / "a" / "new.png")
    assert len(before & set(made(root, limit=5)[1]["name"])) >= 4


def test_empty_dataset_one_image(root: Path) -> None:
    shutil.rmtree(root / "raw" / "b")
    for index in (2, 4, 6, 8):
        (root / "raw" / "a" / f"{index}.png").unlink()
    with pytest.raises(InputError, match="raw has 1 usable images"):
        made(root)
    shutil.rmtree(root / "raw" / "a")
    with pytest.raises(InputError, match="no class directory"):
        made(root)


def test_classes_of_a_column_that_is_not_there(root: Path) -> None:
    with pytest.raises(InputError, match=r"no column 'lable' \(did you mean 'label'\?\)"):
        made(root, classes={"lable": ["a"]})


def test_missing_raw_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Put there one directory per class"):
        made(tmp_path)


def test_disk_full_is_refused_early(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(InputError, match="0 MB free"):
        made(root)


def test_memory_does_not_grow_with_the_images(root: Path) -> None:
    tracemalloc.start()
    try:
        made(root, size=1024)  # 10 x 3 MB of pixels
        assert tracemalloc.get_traced_memory()[1] < 80 * 10**6
    finally:
        tracemalloc.stop()


def has_elpv() -> bool:
    try:
        return bool(distribution("elpv-dataset"))
    except PackageNotFoundError:
        return False


@pytest.mark.skipif(not has_elpv(), reason="the demo extra is not installed")
@pytest.mark.slow
def test_elpv_near_duplicates_are_found_without_chaining(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "data" / "raw", tmp_path / "raw")
    changes = {"reader": "elpv", "raw": "raw/elpv.yaml", "labels": ["defect", "probability", "type"], "group": "blocks"}
    manifest = made(tmp_path, **changes, near_duplicate_distance=4, weights=["confidence"], quarantine_cap=0.0)[1]
    cluster = manifest["cluster"].to_numpy()
    sizes = np.unique(cluster, return_counts=True)[1]
    assert len(manifest) == 2624
    assert manifest["image_id"].is_unique
    assert sizes.max() <= 12  # solar cells all look alike: hashes alone chain hundreds of them
    # files 1735..1784 show the same 50 cells as 2277..2326
    assert (cluster[1734:1784] == cluster[2276:2326]).sum() >= 45
    # neighbouring files that look alike to the eye
    for first, second in ((1258, 1259), (1338, 1339), (1193, 1194), (2369, 2370), (1579, 1580)):
        assert cluster[first - 1] == cluster[second - 1]


def test_the_cause_of_what_is_no_image_is_in_the_quarantine(root: Path) -> None:
    (root / "raw" / "a" / "0.png").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n")
    (root / "raw" / "b" / "1.png").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    reasons = pd.read_csv(made(root)[0].quarantine)["reason"]
    assert "git lfs pull" in reasons[0]
    assert "HEIC" in reasons[1]


def test_a_raw_file_of_a_camera_is_known_by_its_name_also_in_the_cache_of_dvc(root: Path) -> None:
    """The object that the link leads to has no suffix, and is a TIFF whose first image is a small preview."""
    stored = root / ".dvc" / "cache" / "files" / "md5" / "ab" / ("0" * 30)
    stored.parent.mkdir(parents=True)
    Image.new("L", (160, 120), 9).save(stored, "TIFF")
    (root / "raw" / "a" / "photo.NEF").symlink_to(stored)
    (root / "raw" / "a" / "scan.tif").symlink_to(stored)
    files, table = made(root)
    assert "a/scan.tif" in set(table["name"])
    listed = pd.read_csv(files.quarantine)
    assert listed["name"].tolist() == ["a/photo.NEF"] and "a raw file of a camera" in listed["reason"][0]


def test_splits_and_system_files_are_told_in_the_log_and_the_card(root: Path) -> None:
    for split, name in (("train", "a"), ("test", "b")):
        for label in ("cat", "dog"):
            (root / "raw" / split / label).mkdir(parents=True)
        for index, path in enumerate(sorted((root / "raw" / name).iterdir())):
            path.rename(root / "raw" / split / ("cat", "dog")[index % 2] / path.name)
        (root / "raw" / name).rmdir()
    (root / "raw" / "train" / "cat" / "Thumbs.db").touch()
    line = ingest.run(params(labels=["label", "split"]), Paths(root), "d")
    assert line == "10 images, 0 quarantined; splits (test, train) with one folder per class; left out: Thumbs.db 1"
    assert json.loads(Paths(root).dataset("d").card.read_text())["left_out"] == {"Thumbs.db": 1}


def test_a_copy_in_another_split_is_merged_and_a_copy_in_another_class_is_not(root: Path) -> None:
    for split in ("train", "val"):
        for name in ("a", "b"):
            shutil.copytree(root / "raw" / name, root / "raw" / split / name)
    shutil.rmtree(root / "raw" / "a")
    shutil.rmtree(root / "raw" / "b")
    shutil.copy(root / "raw" / "val" / "a" / "0.png", root / "raw" / "val" / "b" / "copy.png")
    files, manifest = made(root, labels=["label", "split"])
    assert (len(manifest), set(manifest["split"])) == (9, {"train"})
    assert sorted(pd.read_csv(files.quarantine)["name"].str.endswith(("a/0.png", "b/copy.png"))).count(True) == 3


def test_more_faults_than_a_message_holds_are_in_a_file_that_it_names(root: Path) -> None:
    rows = "\n".join(f"{index}.png,x" for index in range(30))
    (root / "raw" / "t.csv").write_text(f"path,label\n{rows}\n")
    with pytest.raises(InputError, match=r"30 faults(?s:.*)All of them: .*data/docs/d/faults.txt") as refused:
        made(root, reader="table", table="t.csv")
    assert len(str(refused.value).splitlines()) <= 12
    assert len((root / "data" / "docs" / "d" / "faults.txt").read_text().splitlines()) == 30
