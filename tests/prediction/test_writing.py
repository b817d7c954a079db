"""The output by its ending; what is missing, formulas, and files that must not be overwritten."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from pipeline.prediction.writing import check_out, csv_text, write
from pipeline.store.errors import InputError

TABLE = pd.DataFrame(
    {
        "path": ["=cmd()", "ü.png", "cut.png"],
        "label": ["-1", "NA", None],
        "p_-1": [0.123456789012, 0.25, math.nan],
        "warning": ["", "", "not predicted: damaged"],
    }
)


def test_csv_escapes_formulas_but_not_numbers():
    assert csv_text(TABLE).splitlines() == [
        "path,label,p_-1,warning",
        "'=cmd(),-1,0.123456789,",
        "ü.png,NA,0.25,",
        "cut.png,,,not predicted: damaged",
    ]


def test_json_lines_have_null_where_something_is_missing(tmp_path):
    write(tmp_path / "new" / "out.jsonl", TABLE)
    rows = [json.loads(line) for line in (tmp_path / "new" / "out.jsonl").read_text("utf-8").splitlines()]
    assert rows[0] == {"path": "=cmd()", "label": "-1", "p_-1": 0.123456789012, "warning": ""}
    assert rows[2]["label"] is None and rows[2]["p_-1"] is None


def test_parquet_and_csv_files(tmp_path):
    for ending in (".parquet", ".CSV"):
        write(tmp_path / f"out{ending}", TABLE)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out.parquet"), TABLE, check_dtype=False)
    assert (tmp_path / "out.CSV").read_text("utf-8") == csv_text(TABLE)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("out.xlsx", r"names no format; allowed: \.csv, \.jsonl, \.parquet"),
        ("out", "the ending '' names no format"),
        ("folder.csv", "is a folder"),
        ("here/../images.csv", "is one of the inputs"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_work(tmp_path, out, message):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "images.csv").write_text("path\n")
    with pytest.raises(InputError, match=message):
        check_out(tmp_path / Path(out), [tmp_path / "images.csv"])
