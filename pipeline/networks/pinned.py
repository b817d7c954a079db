"""Read a file only if it has the expected SHA-256."""

import hashlib
from pathlib import Path

from pipeline.store.errors import InputError


def read_pinned(path: str | Path, sha256: str | None) -> bytes:
    """Return the content of `path`, whose SHA-256 must be `sha256` (64 hexadecimal digits, either case).

    Raises:
        InputError: no digest was given, the file cannot be read, or it has another digest.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"The weights file {path} cannot be read ({error.strerror}). Check its path and permissions."
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 is None:
        raise InputError(
            f"The weights file {path} has no sha256 beside it in params.yaml. A file is read only if its digest is "
            f"known. If you trust this file, add `sha256: {found}`."
        )
    if found != sha256.lower():
        raise InputError(
            f"The weights file {path} is not the expected one: its sha256 is {found}, expected {sha256.lower()}. "
            "Restore or download the file again; change the digest only if you trust the new content."
        )
    return content
