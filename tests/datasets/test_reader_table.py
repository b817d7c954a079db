"""Table datasets: what is read, and the rows of FAULTS.md about labels and paths."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.config.schema import Dataset
from pipeline.datasets.readers.raw import RawDataset
from pipeline.datasets.readers.table import read_table
from pipeline.store.errors import InputError

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
    ("path", ["a.png", "", "a.png"], "a folder, not a regular file"),
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


@pytest.mark.parametrize(
    "data", [b"path,kind\n\xff\xfe,x\n", b"path,kind,kind\na,b,c\n", b"", b'path,kind\n"a,b\n', b"a,b\n1,2,3,4\n"]
)
def test_broken_csv(raw: Path, data: bytes) -> None:
    (raw / "t.csv").write_bytes(data)
    with pytest.raises(InputError, match=r"t.csv"):
        read(raw)


def test_byte_order_mark_survives(raw: Path) -> None:
    (raw / "t.csv").write_bytes(b"\xef\xbb\xbf" + pd.DataFrame(ROWS).to_csv(index=False).encode())
    assert len(read(raw).images) == 3
