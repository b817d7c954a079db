"""What a command line names: files, folders, tables; what is missing is refused, what is no image is counted."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.prediction.listing import in_words, list_images
from pipeline.store.errors import InputError


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a.JPG", "sub/c.tif", "sub/noending", "notes.txt", "more.txt", "x.json", ".hidden.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"x")
    for hidden in (".cache", "@eaDir", "__MACOSX"):
        (tmp_path / "in" / hidden).mkdir()
        (tmp_path / "in" / hidden / "d.png").write_bytes(b"x")
    return tmp_path / "in"


def names(listing, top):
    return [Path(name).relative_to(top).as_posix() for name in listing.images]


def test_a_folder_is_searched_in_order_and_other_endings_are_counted(folder):
    listing = list_images([folder], None)
    assert names(listing, folder) == ["a.JPG", "b.png", "sub/c.tif", "sub/noending"]
    assert in_words(listing.left_out) == "2 .txt, 1 .json"


def test_a_file_that_is_named_is_taken_whatever_its_ending_and_none_twice(folder):
    listing = list_images([folder / "notes.txt", folder, folder / "b.png"], None)
    assert names(listing, folder) == ["notes.txt", "a.JPG", "b.png", "sub/c.tif", "sub/noending"]


def test_links_are_followed(folder):
    (folder / "link.png").symlink_to(folder / "b.png")
    listing = list_images([folder / "link.png"], None)
    assert listing.images == {str(folder / "link.png"): (folder / "b.png").resolve()}


@pytest.mark.parametrize("delimiter", ",;\t|")
def test_the_paths_of_a_csv_table_are_relative_to_it(folder, delimiter):
    file = folder / f"table.{'tsv' if delimiter == chr(9) else 'csv'}"
    rows = [("label", "path"), ("NA", "b.png"), ("x", "sub/c.tif"), ("x", ""), ("x", "gone.png")]
    file.write_text("\ufeff" + "\n".join(delimiter.join(row) for row in rows), encoding="utf-8")
    assert names(list_images([file], None), folder) == ["b.png", "sub/c.tif", "gone.png"]


def test_a_parquet_table_with_a_column_that_is_named(folder):
    pd.DataFrame({"where": ["b.png", None], "path": ["x", "y"]}).to_parquet(folder / "table.parquet")
    assert names(list_images([folder / "table.parquet"], "where"), folder) == ["b.png"]


def test_columns_of_many_values_are_no_candidates(folder):
    rows = {"path": ["b.png"], "box": [[1, 2]], "bytes": [b"x"], "where": [{"x": 1}]}
    pd.DataFrame(rows).to_parquet(folder / "table.parquet")
    assert names(list_images([folder / "table.parquet"], None), folder) == ["b.png"]
    with pytest.raises(InputError, match=r"no column 'box'; available: path\."):
        list_images([folder / "table.parquet"], "box")


def test_a_table_of_one_column(folder):
    (folder / "one.csv").write_text("file\nb.png\n")
    assert names(list_images([folder / "one.csv"], None), folder) == ["b.png"]


def test_what_is_missing_is_named(folder):
    with pytest.raises(InputError, match=r"There is no .*gone\.png, .*away"):
        list_images([folder / "gone.png", folder, folder / "away"], None)


def test_no_image_at_all_says_what_was_there(folder):
    (folder / "empty").mkdir()
    (folder / "empty" / "scan.dcm").write_bytes(b"x")
    with pytest.raises(InputError, match=r"no image there \(1 \.dcm left out\)"):
        list_images([folder / "empty"], None)


def test_a_table_without_the_column_lists_what_it_has(folder):
    (folder / "table.csv").write_text("pathh,label\na.png,x\n")
    with pytest.raises(InputError, match=r"no column with paths; available: pathh, label\. Set --path-column"):
        list_images([folder / "table.csv"], None)
    with pytest.raises(InputError, match=r"no column 'path' \(did you mean 'pathh'\?\)"):
        list_images([folder / "table.csv"], "path")


def test_a_table_that_is_none_is_refused(folder):
    (folder / "table.parquet").write_bytes(b"nothing")
    (folder / "table.csv").write_bytes(b"path\n\xff\xfe.png\n")
    for name, why in (
        ("table.parquet", " has a header and no row"),
        ("table.csv", ", line 2: cannot be read as utf-8"),
    ):
        with pytest.raises(InputError, match=f"{name}{why}"):
            list_images([folder / name], None)
