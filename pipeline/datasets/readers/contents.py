"""What a file is that is no table, by its first bytes: the usual causes with their remedies."""

import os
from pathlib import Path

HEAD = 512  # bytes
LFS = "a pointer of Git LFS, not the file itself; run `git lfs pull`"
# first bytes -> what it is, and the remedy
SIGNATURES = (
    (b"version https://git-lfs.github.com/", LFS),
    (b"PK\x03\x04", "a zip archive or an Office document; unpack it, or save its table as CSV"),
    (b"\xd0\xcf\x11\xe0", "an Office document of before 2007; save its table as CSV"),
    (b"\x1f\x8b", "compressed by gzip; unpack it"),
    (b"BZh91AY&SY", "compressed by bzip2; unpack it"),
    (b"\xfd7zXZ\0", "compressed by xz; unpack it"),
    (b"\x28\xb5\x2f\xfd", "compressed by Zstandard; unpack it"),
    (b"ARROW1\0\0", "a Feather file; save its table as Parquet"),
    (b"Obj\x01", "an Avro file; save its table as Parquet"),
    (b"\x80\x04\x95", "a pickle, which is not opened; save its table as Parquet"),
    (b"{\\rtf", "a text document; save its table as CSV"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
    (b"Rar!", "a RAR archive; unpack it"),
    (b"%PDF", "a PDF; export its images"),
    (b"\x89HDF", "an HDF5 file; export what it holds"),
    (b"\x93NUMPY", "a NumPy array; save it as PNG or TIFF"),
    (b"SQLite format 3", "an SQLite database; export a table as CSV"),
    (b"<!doctype html", "a web page, probably of a failed download; download the file again"),
    (b"<html", "a web page, probably of a failed download; download the file again"),
    (b"<?xml", "an XML file"),
    (b"<svg", "an SVG drawing; convert it to PNG"),
    *((mark, "a JSON text; save its table as CSV") for mark in (b'{"', b"{\n", b"[{", b"[\n")),
    (b"[internetshortcut]", "a shortcut of Windows; put the file itself there"),
    (b"L\x00\x00\x00\x01\x14\x02\x00", "a shortcut of Windows; put the file itself there"),
    (b"book\x00\x00\x00\x00mark", "an alias of macOS; put the file itself there"),
    (b"\x00\x05\x16\x07", "a resource file of macOS (`._NAME`); delete it"),
)


def head_of(path: Path) -> bytes:
    """The first bytes of a file; a FIFO without a writer is empty."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.read(descriptor, HEAD)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def cause_of(head: bytes) -> str | None:
    """What a file is that is no table, from its first HEAD bytes; None: nothing known."""
    start = head.lstrip().lower()
    return next((cause for mark, cause in SIGNATURES if head.startswith(mark) or start.startswith(mark.lower())), None)
