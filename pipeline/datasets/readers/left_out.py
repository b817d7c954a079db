"""Files that a system, a viewer or a storage device puts beside images: left out of a dataset, and counted by name."""

import re
from fnmatch import fnmatchcase, translate

# Names without case, as patterns; a folder is left out with all that it holds.
PATTERNS = (
    # macOS
    ".ds_store", "._*", "__macosx", "icon\r", ".appledouble", ".spotlight-v100", ".trashes", ".fseventsd",
    ".temporaryitems", "temporary items", "network trash folder", "thevolumesettingsfolder", ":2e*",
    # Windows
    "thumbs.db", "thumbs.db:encryptable", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin", "recycler",
    "system volume information", "found.[0-9][0-9][0-9]", "*:zone.identifier", "*.lnk", "zbthumbnail.info", "~$*",
    # storage devices: Synology, QNAP, NetApp, Western Digital
    "@eadir", "@tmp", "@syno*", "#recycle", "#snapshot", ".@__thumb", "@recycle", "@recently-snapshot", "@sharebin",
    "~snapshot", ".snapshot", ".wdmc",
    # Linux and viewers
    "lost+found", ".trash-*", ".thumbnails", ".thumbs", "thumbnails", "thumbnail", "thumbs", "_thumbs", "_thumb",
    "@__thumb", ".directory", ".picasa.ini",
    "picasa.ini", "picasaoriginals", ".nfs*", ".fuse_hidden*", ".~lock.*",
    # side files of cameras and of programs for photos
    "*.xmp", "*.aae", "*.thm", "*.lrdata", "*.lrcat*",
    # tools
    ".git*", ".dvc*", "*.dvc", "__pycache__", ".ipynb_checkpoints",
)  # fmt: skip
ANY = re.compile("|".join(map(translate, PATTERNS)))  # one look at each of many names
HIDDEN = "hidden files"  # whose names begin with a dot


def left_out(name: str) -> str | None:
    """Under which name a file or folder is counted as left out; None: it belongs to the dataset."""
    folded = name.casefold()
    if ANY.match(folded) is None:
        return HIDDEN if name.startswith(".") else None
    found = next(pattern for pattern in PATTERNS if fnmatchcase(folded, pattern))
    return found if "*" in found or "[" in found else name.strip()
