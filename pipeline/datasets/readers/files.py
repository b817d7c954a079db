"""Paths of raw data: resolved and checked, and where one leads nowhere, its cause and remedy."""

import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from pipeline.store.errors import InputError, InputFaults
from pipeline.store.words import visible
from pipeline.store.yaml import read_yaml

DVC_OBJECT = re.compile(
    r"(files/md5/)?[0-9a-f]{2}/[0-9a-f]{30}"
)  # of a file in DVC's cache; before DVC 3 without files/
WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")  # C:\ or \\server
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
VARIABLE = re.compile(r"\$\w|\$\{|%\w+%")
ARCHIVES = {".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"}
SHOWN = 3  # of many in a sentence
GONE = "Put the file there or remove its entry."


def escaped(path: str | os.PathLike[str]) -> str:
    r"""Escape a file name to printable characters, reversibly: a newline is \n, a byte that is not UTF-8 is \udcff."""
    text = os.fspath(path)
    with suppress(UnicodeEncodeError):  # not a file name in this locale
        text = os.fsencode(text).decode("utf-8", "surrogateescape")  # the same in every locale
    return visible(text.replace("\\", r"\\"))


def raw_folder(path: Path, key: str, content: str) -> Path:
    """The resolved raw folder.

    Raises:
        InputError: it is missing or not a folder; `content` describes what it should hold.
    """
    if not os.path.isdir(path):  # noqa: PTH112, False also for a name that is too long
        received = "a file" if os.path.exists(path) else "nothing"  # noqa: PTH110
        remedy = absent_cause(path) or f"Put there {content}, or change `{key}` in params.yaml."
        raise InputError(f"{key}: {received} at {escaped(path)}. {remedy}")
    return path.resolve()


def absent_cause(path: Path) -> str | None:
    """Why there is nothing at a path of params.yaml, and the remedy; None: no particular cause is known."""
    name = os.fspath(path)
    if WINDOWS.search(name) and "\\" in name:
        return "This is a path of Windows. Write it with `/`, relative to the folder of dvc.yaml or from `/` on."
    if re.search(r"[a-z0-9+.-]{2,}:/", name):  # `Path` makes one slash of the two of a URL
        return "A URL is not downloaded. Download the data into a folder and write its path."
    if path.parts[:1] == ("~",):
        return "`~` is not expanded. Write the whole path."
    if VARIABLE.search(name):
        return "Variables are not filled in. Write the whole path."
    if path.suffix.lower() in ARCHIVES and os.path.isfile(name):  # noqa: PTH113
        return "It is an archive. Unpack it, and write the path of its folder."
    if pointer := pointer_of(path):
        return f"DVC knows the data: run `dvc pull {escaped(pointer)}` (or `dvc checkout`, where the cache has it)."
    target = _link_of(path.parent, path.name)
    return f"It is a link to {escaped(target)}, which does not exist. Mount or correct it." if target else None


def pointer_of(path: Path) -> Path | None:
    """The file NAME.dvc by which DVC knows a path that is not there, or a folder above it; None: there is none."""
    for place in (path, *path.parents):
        if os.path.exists(place):  # noqa: PTH110, False also for a name that is too long
            return None
        if os.path.isfile(f"{place}.dvc"):  # noqa: PTH113
            return place.with_name(f"{place.name}.dvc")
    return None


def absent_outs(pointer: Path) -> list[str]:
    """What a file NAME.dvc stands for and DVC has not put beside it, by name; of a file that is no such file, none."""
    try:
        content = read_yaml(pointer)
        folder = pointer.parent / content.get("wdir", "")
        return [out["path"] for out in content["outs"] if not (folder / out["path"]).exists()]
    except (InputError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def stops_dvc(path: Path) -> str | None:
    """What DVC would hang at or fail at in its own words when it hashes raw data, with the remedy; None: nothing."""
    if not os.path.exists(path):  # noqa: PTH110, False also for a name that is too long
        return f"does not exist. {absent_cause(path) or 'Put the data there, or correct the path'}"
    found = []
    for parent, _, names in os.walk(path):
        for name in names:
            entry = Path(parent, name)
            with suppress(OSError):
                if not stat.S_ISREG(entry.lstat().st_mode) and not entry.is_file():
                    kind = _broken(entry) if entry.is_symlink() else kind_of(entry.lstat().st_mode)
                    found.append(f"{escaped(entry.relative_to(path))} is {kind}")
    if not found:
        return None
    more = f", and {len(found) - SHOWN:,} more are none" if len(found) > SHOWN else ""
    return f"holds what is no file: {'; '.join(sorted(found)[:SHOWN])}{more}. Remove it, or put the file itself there"


def _broken(link: Path) -> str:
    into_cache = DVC_OBJECT.search(os.readlink(link))  # noqa: PTH115, as written
    return "a broken link into DVC's cache (run `dvc checkout`, or `dvc pull`)" if into_cache else "a broken link"


def inside(folder: Path, name: str, where: str, repository: Path | None = None) -> Path:
    """Resolve `name` below `folder` (resolved) to a regular file.

    Args:
        repository: the folder of dvc.yaml; links into DVC's cache of it, or of the repository that `folder` lies in,
            are the files that DVC has put there (`cache.type symlink`).

    Raises:
        InputError: it is outside `folder` (absolute, `..`, or a link), missing, a broken or circular link, or no file.
    """
    shown = f"{where}: '{escaped(name)}'"
    if not name:
        raise InputError(f"{where}: the path is empty. Write that of the file.")
    try:
        path = (folder / name).resolve(strict=True)
        mode = path.stat().st_mode
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop, on Python before 3.13
        raise InputError(f"{shown} {_missing(folder, name, error)}") from error
    if not path.is_relative_to(folder) and not _put_by_dvc(folder, name, path, repository):
        if (folder / name).is_symlink() and DVC_OBJECT.search(path.as_posix()):
            raise InputError(
                f"{shown} is a link into the DVC cache of another repository. Copy what links lead to (`cp -rL`), or "
                "share that cache (`dvc cache dir`)."
            )
        raise InputError(
            f"{shown} is outside {escaped(folder)}. Copy the file into the folder; links to the outside are not "
            "followed, but those into DVC's cache."
        )
    if not stat.S_ISREG(mode):
        raise InputError(f"{shown} is {kind_of(mode)}, not a regular file. Remove it.")
    return path


def all_inside(folder: Path, places: Iterable[tuple[str, str]], repository: Path) -> list[Path]:
    """`inside` for pairs of a name and where it stands.

    Raises:
        InputFaults: all names that lead to no file.
    """
    paths, faults = [], []
    for name, where in places:
        try:
            paths.append(inside(folder, name, where, repository))
        except InputError as error:
            faults.append(str(error))
    if faults:
        raise InputFaults(faults)
    return paths


def kind_of(mode: int) -> str:
    """What a file that is not regular is, by its mode."""
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
    return next((name for test, name in kinds if test(mode)), "a device")


def _missing(folder: Path, name: str, error: Exception) -> str:
    """Why `name` leads to no file, and the remedy."""
    target = _link_of(folder, name)
    if target is not None:
        if DVC_OBJECT.search(target):
            return "is a broken link into DVC's cache. Run `dvc checkout`, or `dvc pull` where there is a remote."
        return f"is a broken or circular link below {escaped(folder)}. {GONE}"
    if isinstance(error, PermissionError):
        return f"cannot be read: {error.strerror}. Give yourself access to it."
    if pointer := pointer_of(folder / name):
        return f"is not there, but DVC knows it. Run `dvc pull {escaped(pointer)}` (or `dvc checkout`)."
    cause = "is no such file"
    if URL.match(name):
        cause = "is a URL, which is not downloaded; no file"
    elif WINDOWS.match(name):
        cause = "is an absolute path of Windows; no file"
    elif "\\" in name:
        cause = "is written with `\\`, which separates folders on Windows alone; no such file"
    meant = _meant(folder, name)
    remedy = f"Write '{escaped(meant)}', which is there." if meant else GONE
    return f"{cause} below {escaped(folder)}. {remedy}"


def _link_of(folder: Path, name: str) -> str | None:
    """The target of a link; None: there is no link of this name."""
    try:
        return (folder / name).readlink().as_posix()
    except (OSError, ValueError):
        return None


def _meant(folder: Path, name: str) -> str | None:
    r"""The existing file that a missing one probably means: `a\b.png`, `raw/a.png`, `A.PNG`, `a.jpg`, `a`, ` a.png`."""
    parts = [part for part in re.split(r"[/\\]", name.strip().strip("'\"")) if part.strip(" .\0")]
    for start in range(min(len(parts), 8)):  # without its first folders, which may be those that lead to the raw folder
        found: list[str] = []
        for place, part in enumerate(parts[start:], start + 1):
            near = _names_like(folder.joinpath(*found), part, stems=place == len(parts))
            found += near[:1]
            if not near:
                break
        else:
            if "/".join(found) != name and folder.joinpath(*found).is_file():
                return "/".join(found)
    return None


def _names_like(folder: Path, name: str, stems: bool) -> list[str]:
    """Names in a folder that equal `name`, exactly, or but for case, or, where one alone does, but for the suffix."""
    try:
        whole, by_stem = _listed(folder, folder.stat().st_mtime_ns)
    except (OSError, ValueError):
        return []
    same = whole.get(name.casefold(), [])
    like = by_stem.get(Path(name).stem.casefold()) or by_stem.get(name.casefold()) or []
    return ([name] if name in same else same) or (like if stems and len(like) == 1 else [])


@lru_cache(maxsize=16)
def _listed(folder: Path, _changed: int) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The names in a folder, by their case-folded form, and by that of their stem."""
    whole: dict[str, list[str]] = {}
    stems: dict[str, list[str]] = {}
    for path in sorted(folder.iterdir()):
        whole.setdefault(path.name.casefold(), []).append(path.name)
        stems.setdefault(path.stem.casefold(), []).append(path.name)
    return whole, stems


def _put_by_dvc(folder: Path, name: str, path: Path, repository: Path | None) -> bool:
    """Whether `name` is a link, itself inside `folder`, to an object in DVC's cache."""
    entry = Path(os.path.normpath(folder / name))
    if not entry.is_relative_to(folder) or not entry.is_symlink() or not entry.parent.resolve().is_relative_to(folder):
        return False
    caches = {cache for base in (repository, folder) if base for cache in _dvc_cache(base.resolve())}
    return any(
        path.is_relative_to(cache) and DVC_OBJECT.fullmatch(path.relative_to(cache).as_posix()) for cache in caches
    )


@lru_cache(maxsize=16)
def _dvc_cache(base: Path) -> tuple[Path, ...]:
    """DVC's cache of the repository that `base` lies in: none where it lies in none."""
    root = next((folder for folder in (base, *base.parents) if (folder / ".dvc").is_dir()), None)
    if root is None:
        return ()
    from dvc.config import Config, ConfigError  # takes a third of a second, and few need it

    try:
        configured = Config(dvc_dir=os.fspath(root / ".dvc"))["cache"].get("dir")
    except ConfigError:
        configured = None
    return (Path(configured or root / ".dvc" / "cache").resolve(),)
