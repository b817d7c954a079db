"""What raw data is that is no data: told by its cause, before DVC or a decoder stumbles over it."""

import os
from pathlib import Path

import pytest

from pipeline.datasets.readers.contents import cause_of, head_of
from pipeline.datasets.readers.files import absent_outs, raw_folder, stops_dvc
from pipeline.datasets.signatures import camera_raw
from pipeline.store.errors import InputError

RAW = {
    "C:\\data\\images": "path of Windows",
    "https://example.org/images.zip": "A URL is not downloaded",
    "s3://bucket/images": "A URL is not downloaded",
    "~/images": "`~` is not expanded",
    "$HOME/images": "Variables are not filled in",
    "%USERPROFILE%/images": "Variables are not filled in",
    "images": "Put there",
    "x" * 300: "Put there",
}


@pytest.mark.parametrize("raw", RAW)
def test_a_raw_folder_that_is_not_there(tmp_path: Path, raw: str) -> None:
    with pytest.raises(InputError, match=RAW[raw]):
        raw_folder(tmp_path / raw if raw[:1] not in "~" else Path(raw), "raw", "images")


def test_an_archive_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "images.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"raw: a file at .*images.zip. It is an archive. Unpack it"):
        raw_folder(tmp_path / "images.zip", "raw", "images")


def test_a_raw_folder_that_dvc_has_to_bring(tmp_path: Path) -> None:
    (tmp_path / "images.dvc").touch()
    assert "dvc pull" in (stops_dvc(tmp_path / "images") or "")


@pytest.mark.parametrize("raw", ["images/day 1", "images/day 1/camera"])
def test_a_raw_folder_inside_what_dvc_has_to_bring(tmp_path: Path, raw: str) -> None:
    (tmp_path / "images.dvc").touch()
    assert f"`dvc pull {tmp_path / 'images.dvc'}`" in (stops_dvc(tmp_path / raw) or "")
    (tmp_path / "images").mkdir()
    assert "dvc" not in (stops_dvc(tmp_path / raw) or "")


POINTERS = {
    "outs:\n- md5: 1.dir\n  path: cat\n": ["cat"],
    "outs:\n- path: dog\n": [],
    "wdir: ..\nouts:\n- path: raw/cat\n- path: raw/emu\n": ["raw/cat", "raw/emu"],
    "outs: 1": [],
    "outs: [1]": [],
    "[": [],
    "": [],
}


@pytest.mark.parametrize("content", POINTERS)
def test_what_a_pointer_stands_for_and_is_not_there(tmp_path: Path, content: str) -> None:
    (tmp_path / "raw" / "dog").mkdir(parents=True)
    (tmp_path / "raw" / "cat.dvc").write_text(content)
    assert absent_outs(tmp_path / "raw" / "cat.dvc") == POINTERS[content]


def test_a_raw_folder_that_is_a_broken_link(tmp_path: Path) -> None:
    (tmp_path / "images").symlink_to("/mnt/absent")
    assert "a link to /mnt/absent, which does not exist" in (stops_dvc(tmp_path / "images") or "")


def test_what_dvc_would_wait_for_or_fail_at_is_found_before(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "1.png").touch()
    (tmp_path / "a" / "2.png").symlink_to(tmp_path / "a" / "1.png")
    assert stops_dvc(tmp_path) is None
    os.mkfifo(tmp_path / "a" / "b" / "pipe")
    (tmp_path / "a" / "3.png").symlink_to("absent")
    assert "a/3.png is a broken link; a/b/pipe is a FIFO" in (stops_dvc(tmp_path) or "")
    (tmp_path / "a" / "0.png").symlink_to(f"/cache/files/md5/ab/{'0' * 30}")
    assert "a/0.png is a broken link into DVC's cache (run `dvc checkout`" in (stops_dvc(tmp_path) or "")


CONTENTS = {
    b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n": "git lfs pull",
    b"<!DOCTYPE html>\n<title>404": "a web page",
    b"%PDF-1.7": "a PDF",
    b"\x1f\x8b\x08": "gzip",
    b"\0\x05\x16\x07\0\x02\0\0Mac OS X": "resource file of macOS",
}


@pytest.mark.parametrize("head", CONTENTS)
def test_the_first_bytes_tell_what_a_file_is(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "1.jpg").write_bytes(head)
    assert CONTENTS[head] in (cause_of(head_of(tmp_path / "1.jpg")) or "")


@pytest.mark.parametrize(
    "head", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"img,ftype\n", b"P5 1 1 255 "]
)
def test_images_and_tables_have_no_cause(head: bytes) -> None:
    assert cause_of(head) is None


def test_a_raw_file_of_a_camera_is_not_its_preview() -> None:
    assert "a raw file of a camera" in (camera_raw(b"II*\0", "1.NEF") or "")
    assert camera_raw(b"II*\0", "1.tif") is None
    assert camera_raw(b"\xff\xd8", "1.nef") is None


def test_the_head_of_a_pipe_is_empty(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert head_of(tmp_path / "pipe") == head_of(tmp_path / "absent") == b""
