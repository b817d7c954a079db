"""Files that are no image: the reason names what the file is and what to do."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.images import Quarantine, decode

FILES = {
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "git lfs pull"),
    "DVC pointer": (b"outs:\n- md5: 00\n  path: a.png\n", "dvc pull"),
    "git-annex": (b"/annex/objects/SHA256E-s3--00.png\n", "git annex get"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "export it as PNG or JPEG"),
    "AVIF": (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1" + bytes(99), "export it as PNG or JPEG"),
    "JPEG XL": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(9), "export it as PNG or JPEG"),
    "HTML": (b"\xef\xbb\xbf\n<!DOCTYPE HTML><html>404 <svg></svg></html>", "download the image again"),
    "XML": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "download the image again"),
    "JSON": (b'{"message": "API rate limit exceeded"}', "download the image again"),
    "SVG": (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "export it as PNG"),
    "PDF": (b"%PDF-1.7\n", "export its pages"),
    "DICOM": (bytes(128) + b"DICM" + bytes(99), "16-bit PNG"),
    "NumPy": (b"\x93NUMPY\x01\0", "store it as PNG"),
    "ZIP": (b"PK\x03\x04" + bytes(30), "unpack it"),
    "macOS": (b"\0\x05\x16\x07\0\x02\0\0Mac OS X" + bytes(30), "remove it"),
    "film": (b"\0\0\0\x20ftypisom\0\0\2\0", "one of its frames"),
    "TIFF": (b"II*\0\x08\0\0\0\0\0", "8-bit or 16-bit PNG"),
    "text": ("Größe: 3 px, see notes".encode(), "remove it"),
    "zero bytes": (bytes(4096), "copy the image again"),
}


@pytest.mark.parametrize("case", FILES)
def test_the_reason_names_cause_and_remedy(case: str) -> None:
    data, remedy = FILES[case]
    with pytest.raises(Quarantine) as caught:
        decode(data, 32, 10**6, 8)
    assert case.split()[0] in str(caught.value)
    assert remedy in str(caught.value)


def test_a_tiff_of_64_bit_floats_is_named() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((32, 32), np.float32)).save(buffer, "TIFF")
    wide = buffer.getvalue().replace(b"\x02\x01\x03\0\x01\0\0\0\x20\0", b"\x02\x01\x03\0\x01\0\0\0\x40\0")
    with pytest.raises(Quarantine, match="a variant of TIFF"):
        decode(wide, 32, 10**6, 8)
