"""Table datasets: what is read, and the rows of FAULTS.md about labels and paths."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config.schema import Dataset
from pipeline.datasets.readers.raw import RawDataset
from pipeline.datasets.readers.table import read_table
from pipeline.store.errors import InputError, InputFaults

ROWS = {
    "path": ["a.png", "sub/b.png", "c d.png"],
    "kind": ["NA", "dog", "dog"],
    "stage": ["1", "2", "2"],
    "trust": ["1", "0.5", ".25"],
    "patient": ["p1", "p1", "p2"],
}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    for name in ROWS["path"]:
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / name).write_bytes(b"x")
    return tmp_path / "raw"


def read(raw: Path, rows: dict[str, list[str]] | None = None, **changes: object) -> RawDataset:
    if rows is not None:
        pd.DataFrame(rows).to_csv(raw / "t.csv", index=False)
    params = {"reader": "table", "raw": "raw", "table": "t.csv", "labels": ["kind", "stage"], **changes}
    return read_table(Dataset(**params), raw.parent)


def test_several_labels_weights_and_groups(raw: Path) -> None:
    found = read(raw, ROWS, weights=["trust"], group="patient")
    assert found.images[0].labels == {"kind": "NA", "stage": "1"}
    assert [image.weights["trust"] for image in found.images] == [1.0, 0.5, 0.25]
    assert [image.group for image in found.images] == ["p1", "p1", "p2"]


def test_parquet_reads_like_csv(raw: Path) -> None:
    pd.DataFrame(ROWS | {"stage": [1, 2, 2], "trust": [1.0, 0.5, 0.25]}).to_parquet(raw / "t.parquet")
    assert read(raw, table="t.parquet", weights=["trust"]).images == read(raw, ROWS, weights=["trust"]).images


def test_whole_numbers_beside_a_gap_keep_their_text(raw: Path) -> None:
    pd.DataFrame(ROWS | {"stage": [1.0, 2.0, 2.0]}).to_parquet(raw / "t.parquet")
    assert [image.labels["stage"] for image in read(raw, table="t.parquet").images] == ["1", "2", "2"]


BAD = [
    (
        "kind",
        ["cat", "dgo", "dog"],
        r"t.csv, row 2: column 'kind' has 'dgo' \(did you mean 'dog'\?\); allowed: cat, dog",
    ),
    ("kind", ["cat", "dog ", "dog"], r"row 2: .*'dog ' \(did you mean 'dog'\?\)"),
    ("kind", ["cat", "", "dog"], "row 2: column 'kind' has no label"),
    ("kind", ["cat", "dog", "NaN"], "row 3: column 'kind' has no label"),
    ("stage", ["A", "a", "B"], "look like one class"),
    ("stage", ["A ", "B", "C"], "surrounding blanks"),
    ("trust", ["1", "0", "x"], r"must hold numbers in \(0, 1\]; 2 do not: t.csv, row 2: '0'; t.csv, row 3: 'x'"),
    ("trust", ["1", "2", ""], r"2 do not"),
    ("patient", ["p", "", " "], "empty in 2 rows: t.csv, row 2"),
    ("path", ["a.png", "../out.png", "a.png"], "row 2: '../out.png' is outside"),
    ("path", ["a.png", "/etc/hostname", "a.png"], "row 2: '/etc/hostname' is outside"),
    ("path", ["a.png", "absent.png", "a.png"], "row 2: 'absent.png' is no such file"),
    ("path", ["a.png", "sub", "a.png"], "a folder, not a regular file"),
]


@pytest.mark.parametrize("column, values, message", BAD)
def test_label_typo_trailing_blank_nan_label_and_bad_paths(
    raw: Path, column: str, values: list[str], message: str
) -> None:
    (raw.parent / "out.png").write_bytes(b"x")
    rows = ROWS | {"kind": ["cat", "dog", "dog"]} | {column: values}
    with pytest.raises(InputError, match=message):
        read(raw, rows, classes={"kind": ["cat", "dog"]}, weights=["trust"], group="patient")


def test_nan_label_in_parquet(raw: Path) -> None:
    pd.DataFrame(ROWS | {"kind": ["cat", None, "dog"]}).to_parquet(raw / "t.parquet")
    with pytest.raises(InputError, match="row 2: column 'kind' has no label"):
        read(raw, table="t.parquet")


def test_missing_column_names_those_there_are(raw: Path) -> None:
    with pytest.raises(InputError, match=r"no column 'knid' \(did you mean 'kind'\?\); available: path, kind, stage"):
        read(raw, ROWS, labels=["knid"])


def test_missing_table_and_folder(raw: Path) -> None:
    with pytest.raises(InputError, match=r"'t.csv' is no such file"):
        read(raw)
    with pytest.raises(InputError, match="`table` is missing"):
        read(raw, table=None)
    with pytest.raises(InputError, match="Put there the table and its images"):
        read(raw.parent / "absent" / "raw")


BROKEN = {
    "not UTF-8": (b"path,kind\na.png,\xff\xfe\n", "line 2: cannot be read as utf-8"),
    "a column twice": (b"path,kind,kind\na,b,c\n", "column 'kind' occurs twice"),
    "nothing": (b"", "is empty"),
    "a header only": (b"path;kind\n\n", "has a header and no row"),
    "an open quote": (b'path,kind\n"a.png",x\n"b.png,y\n', r"row 2 \(line 3\): .*Pair the quotes"),
    "text after a quote": (b'path,kind\n"a.png"b,x\n', r"row 1 \(line 2\): .*Pair the quotes"),
    "more fields": (b"path,kind\na.png,x,more\n", r"row 1 \(line 2\): the number of fields is 3, of the header 2"),
    "an index that pandas would make": (b"path,kind\n0,a.png,x\n1,b.png,y\n", r"row 1 \(line 2\): the number"),
    "fewer fields": (b"path;kind\na.png;x\nb.png\n", r"row 2 \(line 3\): .* 1, of the header 2. .*semicolon"),
    "a workbook": (b"PK\x03\x04workbook", "a zip archive or an Office document"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "run `git lfs pull`"),
    "a web page": (b"\n<!DOCTYPE html><html>", "a web page"),
    "UTF-16 without its mark": ("path,kind\na.png,x\n".encode("utf-16-le"), "line 1: has zero bytes: UTF-16 without"),
    "a zero byte": (b"path,kind\na.png,x\0\n", "line 2: has zero bytes"),
    "blanks between columns": (b"path kind\na.png x\n", "no table with several columns: its first line is 'path kind'"),
    "YAML": (b"- path: a.png\n  kind: x\n", "its first line is '- path: a.png'. Delimit columns by comma"),
    "a Feather file": (b"ARROW1\0\0", "a Feather file; save its table as Parquet"),
    "compressed": (b"\x28\xb5\x2f\xfd", "compressed by Zstandard; unpack it"),
    "a pickle": (b"\x80\x04\x95x", "a pickle, which is not opened"),
    "lines of JSON": (b'{"path": "a.png", "kind": "x"}\n', "a JSON text; save its table as CSV"),
    "half a Parquet file": (b"PAR1\x15\x04\x15", "cannot be read as Parquet"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_tables(raw: Path, case: str) -> None:
    data, message = BROKEN[case]
    (raw / "t.csv").write_bytes(data)
    with pytest.raises(InputError, match=f"t.csv.*{message}"):
        read(raw, labels=["kind"])


DIALECTS = {
    "byte order mark": "\ufeffpath,kind\na.png,x\nc d.png,y\n",
    "semicolons": "path;kind\na.png;x\nc d.png;y\n",
    "semicolons and commas": "note,with;path;kind\n1,5;a.png;x\n2,5;c d.png;y\n",
    "tabs": "path\tkind\na.png\tx\nc d.png\ty\n",
    "the separator declared": "sep=;\r\npath;kind\r\na.png;x\r\nc d.png;y\r\n",
    "trailing commas in the rows": "path,kind\na.png,x,\nc d.png,y,\n",
    "trailing commas": "path,kind,,\na.png,x,,\nc d.png,y,,\n,,,\n",
    "quotes": '"path","kind"\n"a.png","x"\n"c d.png","y"\n',
    "blank lines": "path,kind\n\na.png,x\n\nc d.png,y\n\n",
    "an unnamed index": ",path,kind\n0,a.png,x\n1,c d.png,y\n",
    "blanks around names of columns": "path, kind\na.png,x\nc d.png,y\n",
    "lines of old Macs": "path,kind\ra.png,x\rc d.png,y",
    "the end of a file of DOS": "path,kind\r\na.png,x\r\nc d.png,y\r\n\x1a",
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_dialects_of_csv_are_read(raw: Path, dialect: str, encoding: str) -> None:
    (raw / "t.csv").write_bytes(DIALECTS[dialect].encode(encoding))
    found = read(raw, labels=["kind"]).images
    assert [(image.name, image.labels["kind"]) for image in found] == [("a.png", "x"), ("c d.png", "y")]


def test_line_breaks_commas_and_quotes_within_a_quoted_label(raw: Path) -> None:
    (raw / "t.csv").write_text('path,kind\na.png,"a ""b"",\nc"\nc d.png,y\n')
    assert read(raw, labels=["kind"]).images[0].labels["kind"] == 'a "b",\nc'


def parquet(raw: Path, **columns: object) -> None:
    pq.write_table(pa.table({"path": ["a.png", "c d.png"], **columns}), raw / "t.csv")  # the content decides


CELLS = [
    ([True, False], ["True", "False"]),
    ([1, 2], ["1", "2"]),
    ([1.0, 2.5], ["1", "2.5"]),
    ([Decimal("1.00"), Decimal("2.50")], ["1", "2.50"]),
    ([date(2024, 2, 1), date(2024, 2, 2)], ["2024-02-01", "2024-02-02"]),
    ([datetime(2024, 2, 1), datetime(2024, 2, 1, 9)], ["2024-02-01", "2024-02-01 09:00:00"]),
    (pa.array(["x", "y"]).dictionary_encode(), ["x", "y"]),
]


@pytest.mark.parametrize("cells, texts", CELLS)
def test_cells_that_are_no_text_are_written_by_one_rule(raw: Path, cells: object, texts: list[str]) -> None:
    parquet(raw, kind=cells)
    assert [image.labels["kind"] for image in read(raw, labels=["kind"]).images] == texts
    assert [image.group for image in read(raw, labels=["kind"], group="kind").images] == texts


NO_CELLS = [
    ([["a"], ["b"]], r"a list \['a'\]"),
    ([{"a": 1}, {"a": 2}], "a dict"),
    ([b"a", b"b"], "bytes b'a'"),
    ([float("inf"), 1.0], "the number inf"),
    ([timedelta(1), timedelta(2)], "a timedelta"),
    (pa.array([2**31 - 1, 1], pa.date32()), r"a date32\[day\] out of range"),
]


@pytest.mark.parametrize("cells, message", NO_CELLS)
@pytest.mark.parametrize("group", [None, "kind"])
def test_cells_that_are_no_single_value_are_refused(raw: Path, cells: object, message: str, group: str | None) -> None:
    parquet(raw, kind=cells, other=["x", "y"])
    with pytest.raises(InputError, match=f"t.csv, row 1: column 'kind' has {message}"):
        read(raw, labels=["other" if group else "kind"], group=group)


OBJECTS = ["set()", "array([1, 2])", "np.float64(1.0)", "datetime.date(2024, 1, 1)", "<NA>", "NaT", "#N/A", "#REF!"]


@pytest.mark.parametrize("text", ["['a']", "[1 2]", "['a', 'b']", "{'a': 1}", "b'a'", "(1, 2)", "[]", *OBJECTS])
def test_lists_that_were_written_as_text_are_no_class(raw: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"t.csv, row 1: column 'kind' has "):
        read(raw, {"path": ["a.png", "c d.png"], "kind": [text, "dog"]}, labels=["kind"])


@pytest.mark.parametrize("text", ["[unknown]", "(a)", "b", "bob's", "{x}", "a, b", "(1)", "setting (old)", "None"])
def test_brackets_may_be_in_the_name_of_a_class(raw: Path, text: str) -> None:
    rows = {"path": ["a.png", "c d.png"], "kind": [text, "dog"]}
    assert read(raw, rows, labels=["kind"]).images[0].labels["kind"] == text


def test_odd_names_of_columns_in_parquet(raw: Path) -> None:
    parquet(raw, **{"a.b": ["p", "q"], "a": [{"b": 1}, {"b": 2}], "": [1, 2], "\n": ["x", "y"]})
    found = read(raw, labels=["\n"], group="a.b").images
    assert [(image.labels["\n"], image.group) for image in found] == [("x", "p"), ("y", "q")]


def test_a_column_of_images_in_parquet_is_not_read(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet(raw, kind=["x", "y"], image=[{"bytes": b"1", "path": "q"}] * 2)
    asked: list[str] = []
    read_table_of = pq.ParquetFile.read
    monkeypatch.setattr(
        pq.ParquetFile, "read", lambda self, columns: asked.extend(columns) or read_table_of(self, columns=columns)
    )
    read(raw, labels=["kind"])
    assert sorted(asked) == ["kind", "path"]


@pytest.mark.parametrize("names", [["1", "1.0", " 1"], ["1", "001", "01"], ["p1", "P1", "p1\u200b"]])
def test_spellings_of_one_group_are_one(raw: Path, names: list[str]) -> None:
    rows = {"path": ["a.png", "sub/b.png", "c d.png"], "kind": ["x", "y", "y"], "patient": names}
    assert {image.group for image in read(raw, rows, labels=["kind"], group="patient").images} == {names[0]}


def test_a_group_that_a_program_wrote_for_no_value_is_none(raw: Path) -> None:
    rows = {"path": ["a.png", "c d.png"], "kind": ["x", "y"], "patient": ["p1", "nan"]}
    with pytest.raises(InputError, match=r"Group column 'patient' is empty in 1 rows: t\.csv, row 2"):
        read(raw, rows, labels=["kind"], group="patient")


TWINS = [
    *(["1", "1.0"], ["1", "01"], ["2.50", "2.5"], ["1", "1e0"], ["a", "a\u200b"]),
    *(["hot dog", "hot  dog"], ["hot dog", "hot\u00a0dog"], ["T-shirt", "T\u2013shirt"], ["AB", "\uff21\uff22"]),
]


@pytest.mark.parametrize("twins", TWINS)
def test_numbers_and_texts_that_are_one_class(raw: Path, twins: list[str]) -> None:
    with pytest.raises(InputError, match="look like one class"):
        read(raw, {"path": ["a.png", "c d.png"], "kind": twins}, labels=["kind"])


def test_all_wrong_labels_are_told_at_once_with_a_bound(raw: Path) -> None:
    rows = {"path": ["a.png"] * 40, "kind": [f"k{index}" for index in range(40)]}
    with pytest.raises(InputFaults, match=r"40 faults:\n.*'k0'(.|\n)*and 32 more") as refused:
        read(raw, rows, labels=["kind"], classes={"kind": [f"c{index}" for index in range(150)]})
    message = str(refused.value)
    assert "and 138 more" in message
    assert len(message.splitlines()) <= 12
    assert len(message) < 4000


PATHS = {
    "C:\\data\\a.png": "absolute path of Windows.*Write 'a.png'",
    "\\\\server\\share\\z.png": "absolute path of Windows.*Put the file there",
    "sub\\b.png": "separates folders on Windows alone.*Write 'sub/b.png'",
    "https://example.org/a.png": "is a URL, which is not downloaded",
    "raw/sub/b.png": "Write 'sub/b.png', which is there",
    "A.PNG": "Write 'a.png', which is there",
    "SUB/B.png": "Write 'sub/b.png', which is there",
    "a.jpg": "Write 'a.png', which is there",
    "sub/b": "Write 'sub/b.png', which is there",
    " a.png": "Write 'a.png', which is there",
    "'a.png'": "Write 'a.png', which is there",
    "": "the path is empty",
    "x" * 300: "is no such file",
    "a.png/b": "is no such file",
}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_leads_nowhere_is_told_with_its_cause_and_remedy(raw: Path, path: str) -> None:
    with pytest.raises(InputError, match=f"t.csv, row 2: (?s:.*)({PATHS[path]})"):
        read(raw, {"path": ["a.png", path], "kind": ["x", "y"]}, labels=["kind"])


def test_all_missing_files_are_told_at_once_with_a_bound(raw: Path) -> None:
    rows = {"path": ["a.png", *(f"{index}.png" for index in range(1000))], "kind": ["x"] * 1001}
    with pytest.raises(InputFaults, match="1,000 faults:") as refused:
        read(raw, rows, labels=["kind"])
    assert len(refused.value.faults) == 1000
    assert len(str(refused.value).splitlines()) <= 12


def dvc_cache(root: Path) -> Path:
    """An object in the cache of a DVC repository."""
    stored = root / ".dvc" / "cache" / "files" / "md5" / "ab" / ("0" * 30)
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"x")
    return stored


def test_links_into_the_cache_of_dvc_are_files(raw: Path) -> None:
    stored = dvc_cache(raw.parent)
    (raw / "link.png").symlink_to(stored)
    (raw / "t.csv").symlink_to(stored)
    stored.write_text("path,kind\na.png,x\nlink.png,y\n")
    assert read(raw, labels=["kind"]).images[1].path == stored


def test_faults_of_a_table_in_the_cache_of_dvc_have_the_table_s_name(raw: Path) -> None:
    stored = dvc_cache(raw.parent)
    (raw / "t.csv").symlink_to(stored)
    stored.write_text("path,kind\na.png\n")
    with pytest.raises(InputError, match=r"^t.csv, row 1 \(line 2\)"):
        read(raw, labels=["kind"])


def test_an_image_that_dvc_has_not_put_there(raw: Path) -> None:
    (raw / "sub.dvc").touch()
    (raw / "sub" / "b.png").unlink()
    (raw / "sub").rmdir()
    with pytest.raises(InputError, match=r"'sub/b.png' is not there, but DVC knows it. Run `dvc pull .*sub.dvc`"):
        read(raw, {"path": ["a.png", "sub/b.png"], "kind": ["x", "y"]}, labels=["kind"])


def test_a_cache_elsewhere_is_known_from_the_config(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("shared")
    stored = dvc_cache(elsewhere)
    (raw.parent / ".dvc").mkdir()
    (raw.parent / ".dvc" / "config").write_text(f"[cache]\n    dir = {elsewhere}/.dvc/cache\n    type = symlink\n")
    (raw / "link.png").symlink_to(stored)
    assert read(raw, {"path": ["a.png", "link.png"], "kind": ["x", "y"]}, labels=["kind"]).images[1].path == stored


@pytest.mark.parametrize("path", ["../.dvc/cache/files/md5/ab/" + "0" * 30, "other.png", "up/ab/" + "0" * 30])
def test_other_ways_out_are_refused_beside_a_cache(raw: Path, path: str) -> None:
    stored = dvc_cache(raw.parent)
    (raw / "up").symlink_to(stored.parents[1])
    stored.with_name("secret").write_bytes(b"x")
    (raw / "other.png").symlink_to(stored.with_name("secret"))
    with pytest.raises(InputError, match="is outside"):
        read(raw, {"path": ["a.png", path], "kind": ["x", "y"]}, labels=["kind"])


def test_a_link_into_the_cache_of_another_repository(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (raw.parent / ".dvc").mkdir()
    (raw / "link.png").symlink_to(dvc_cache(tmp_path_factory.mktemp("other")))
    with pytest.raises(InputError, match=r"'link.png' is a link into the DVC cache of another repository. Copy what"):
        read(raw, {"path": ["a.png", "link.png"], "kind": ["x", "y"]}, labels=["kind"])


def test_a_link_whose_object_the_cache_has_lost(raw: Path) -> None:
    stored = dvc_cache(raw.parent)
    stored.unlink()
    (raw / "link.png").symlink_to(stored)
    with pytest.raises(InputError, match=r"a broken link into DVC's cache. Run `dvc checkout`"):
        read(raw, {"path": ["a.png", "link.png"], "kind": ["x", "y"]}, labels=["kind"])
