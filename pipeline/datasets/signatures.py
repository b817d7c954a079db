"""What a file is that Pillow cannot open, by its first bytes, and what its owner can do."""

HEAD = 512  # bytes looked at

DOWNLOAD = "download the image again"
EXPORT = "export it as PNG or JPEG"
# (offset, bytes, what the file is, remedy); the first that fits
SIGNATURES = (
    (0, b"version https://git-lfs", "not an image: a Git LFS pointer", "run `git lfs pull`"),
    (0, b"/annex/objects/", "not an image: a git-annex pointer", "run `git annex get`"),
    (0, b"outs:", "not an image: a DVC pointer", "run `dvc pull`"),
    (4, b"ftypavif", "not read here: an AVIF image", EXPORT),
    *((4, b"ftyp" + brand, "not read here: a HEIC image", EXPORT) for brand in (b"hei", b"hev", b"mif1", b"msf1")),
    (4, b"ftyp", "not an image: a film", "store one of its frames as an image"),
    (0, b"\0\0\0\x0cJXL ", "not read here: a JPEG XL image", EXPORT),
    (0, b"\xff\x0a", "not read here: a JPEG XL image", EXPORT),
    (0, b"\0\x05\x16\x07", "not an image: a side file of macOS (AppleDouble)", "remove it"),
    (128, b"DICM", "not read here: a DICOM file", "export it as 16-bit PNG or TIFF"),
    (344, b"n+1\0", "not read here: a NIfTI volume", "export its slices as 16-bit PNG or TIFF"),
    (0, b"\x93NUMPY", "not read here: a NumPy array", "store it as PNG or TIFF"),
    (0, b"\x89HDF", "not read here: an HDF5 file", "store its images as PNG or TIFF"),
    (0, b"SIMPLE  =", "not read here: a FITS file", "store it as TIFF of 32-bit floats"),
    (0, b"\x76\x2f\x31\x01", "not read here: an OpenEXR image", "store it as TIFF of 32-bit floats"),
    (0, b"8BPS", "not read here: a Photoshop file", EXPORT),
    (0, b"%PDF", "not an image: a PDF document", "export its pages as PNG"),
    (0, b"%!PS", "not read here: a PostScript file", EXPORT),
    (0, b"\0\0\x01\0", "not read here: an icon file (ICO)", EXPORT),
    (0, b"PK\x03\x04", "not an image: a ZIP archive", "unpack it"),
    (0, b"\x1f\x8b", "not an image: a gzip archive", "unpack it"),
    (0, b"7z\xbc\xaf", "not an image: a 7-Zip archive", "unpack it"),
    (0, b"Rar!", "not an image: a RAR archive", "unpack it"),
    # formats that are read in general
    *(
        (0, magic, f"not read here: a variant of {kind}", "store it as 8-bit or 16-bit PNG")
        for magic, kind in ((b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"II+\0", "BigTIFF"), (b"MM\0+", "BigTIFF"))
    ),
    *(
        (0, magic, f"damaged: the header of a {kind} file", DOWNLOAD)
        for magic, kind in ((b"\x89PNG", "PNG"), (b"\xff\xd8", "JPEG"), (b"GIF8", "GIF"), (b"RIFF", "WebP"))
    ),
)
# (beginnings in lower case, what follows somewhere, what the file is, remedy); the first that fits
TEXTS = (
    ((b"<!doctype html", b"<html", b"<head", b"<body"), b"", "not an image: an HTML page", DOWNLOAD),
    ((b"<",), b"<svg", "not read here: an SVG drawing", EXPORT),
    ((b"<?xml", b"<error"), b"", "not an image: an XML text", DOWNLOAD),
    ((b"{", b"["), b"", "not an image: a JSON text", DOWNLOAD),
)


# raw files of cameras are TIFF files whose first image is a small preview
CAMERA = (".cr2", ".nef", ".nrw", ".arw", ".dng", ".orf", ".rw2", ".pef", ".srw")
TIFF = (b"II*\0", b"MM\0*", b"IIRO", b"IIU\0")


def may_be_camera(name: str) -> bool:
    """Whether a file's name is that of a camera's raw file."""
    return name.lower().endswith(CAMERA)


def camera_raw(head: bytes, name: str) -> str | None:
    """Cause and remedy where a file is a camera's raw file, by its first bytes and its name."""
    if may_be_camera(name) and head.startswith(TIFF):
        return f"not read here: a raw file of a camera; {EXPORT}"
    return None


def cause(head: bytes, formats: str) -> str:
    """Cause and remedy for a file that is no image of `formats`, from its first HEAD bytes."""
    for offset, magic, what, remedy in SIGNATURES:
        if head[offset:].startswith(magic):
            return f"{what}; {remedy}"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for beginnings, inside, what, remedy in TEXTS:
        if text.startswith(beginnings) and inside in text:
            return f"{what}; {remedy}"
    if not head.strip(b"\0"):
        return "not an image: zero bytes only, of an interrupted copy or a placeholder; copy the image again"
    if _is_text(head):
        return "not an image: a text; remove it, or download the image again"
    return f"not an image, or none of {formats}; convert or remove it"


def _is_text(head: bytes) -> bool:
    try:
        text = head[: HEAD - 4].decode("utf-8", "ignore" if len(head) >= HEAD else "strict")
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\r\n\t" for character in text)
