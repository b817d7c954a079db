"""Reader of ELPV, electroluminescence images of solar cells from the package `elpv-dataset`, by a descriptor in git."""

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from pipeline.config.schema import Dataset
from pipeline.datasets.readers.files import inside
from pipeline.datasets.readers.raw import RawDataset, RawImage, check_columns, check_labels
from pipeline.registry.readers import READERS
from pipeline.store.errors import InputError
from pipeline.store.files import sha256_file
from pipeline.store.yaml import read_yaml

INSTALL = "pip install -c constraints.txt -e '.[demo]'"
# labels.csv -> (defect, probability, confidence). An expert labelled each image as functional or defective, and sure
# or not; Deitsch et al. (2019) weight unsure labels by their probability, in training and testing.
PROBABILITIES = {
    "0.0": ("functional", "0", 1.0),
    "0.3333333333333333": ("functional", "1/3", 1 / 3),
    "0.6666666666666666": ("defective", "2/3", 2 / 3),
    "1.0": ("defective", "1", 1.0),
}
KEYS = ("package", "version", "folder", "sha256", "title", "licence", "url", "citation", "blocks")
COLUMNS = ("defect", "probability", "type")


def read_elpv(dataset: Dataset, root: Path) -> RawDataset:
    """Read the data files of the package that the descriptor names, without importing its code.

    Columns: defect (functional, defective: probability > 0.5), probability (0, 1/3, 2/3, 1), type (mono, poly); weight
    confidence (1 for sure labels, 1/3, 2/3). Group `blocks`: the descriptor's blocks, a proxy for the PV modules.

    Raises:
        InputError: the package is missing, has another version, or its files another sha256; unknown columns.
    """
    descriptor = read_descriptor(root / dataset.raw)
    check_columns("labels of elpv", dataset.labels, COLUMNS)
    check_columns("weights of elpv", dataset.weights, ["confidence"])
    check_columns("group of elpv", [dataset.group] if dataset.group else [], READERS["elpv"].groups or ())
    folder = installed(descriptor)
    rows = [line.split() for line in (folder / "labels.csv").read_text(encoding="utf-8").splitlines() if line.strip()]
    paths = [inside(folder, name, "labels.csv") for name, _, _ in rows]
    check_contents(descriptor, folder, paths)
    groups = blocks(descriptor["blocks"], len(rows)) if dataset.group else [name for name, _, _ in rows]
    images = [_image(path, row, group, dataset) for path, row, group in zip(paths, rows, groups, strict=True)]
    for column in dataset.labels:
        values = [image.labels[column] for image in images]
        check_labels(column, values, dataset.classes.get(column, []), [image.name for image in images])
    return RawDataset(images, list(dataset.labels), list(dataset.weights), _card(descriptor, bool(dataset.group)))


def read_descriptor(path: Path) -> dict[str, Any]:
    """Read data/raw/elpv.yaml.

    Raises:
        InputError: it is missing, is not YAML, or lacks keys.
    """
    if not path.is_file():
        raise InputError(f"raw: no descriptor at {path}. Restore it with `git checkout {path}`, or change `raw`.")
    descriptor = read_yaml(path)
    missing = [key for key in KEYS if not isinstance(descriptor, dict) or key not in descriptor]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}. It needs {', '.join(KEYS)}; restore it with git.")
    return descriptor


def installed(descriptor: dict[str, Any]) -> Path:
    """The folder of the installed package's data.

    Raises:
        InputError: the package is missing or has another version.
    """
    package, version = descriptor["package"], descriptor["version"]
    try:
        found = distribution(package)
    except PackageNotFoundError:
        raise InputError(f"The package {package} {version} is not installed. Run `{INSTALL}`.") from None
    if found.version != version:
        raise InputError(f"The package {package} is {found.version}, expected {version}. Run `{INSTALL}`.")
    folder = Path(str(found.locate_file(descriptor["folder"]))).resolve()
    if not (folder / "labels.csv").is_file():
        raise InputError(f"The package {package} has no {folder}/labels.csv. Run `{INSTALL} --force-reinstall`.")
    return folder


def check_contents(descriptor: dict[str, Any], folder: Path, paths: list[Path]) -> None:
    """Compare checksums with the descriptor: of labels.csv, and of the images' checksums in the order of labels.csv.

    Raises:
        InputError: one differs.
    """
    labels = sha256_file(folder / "labels.csv")
    images = hashlib.sha256("".join(sha256_file(path) for path in paths).encode("ascii")).hexdigest()
    for name, received in (("labels", labels), ("images", images)):
        expected = descriptor["sha256"][name]
        if received != expected:
            raise InputError(
                f"The {name} of {descriptor['package']} in {folder} are not those of the descriptor: sha256 "
                f"{received[:12]}, expected {expected[:12]}. Run `{INSTALL} --force-reinstall`."
            )


def blocks(description: dict[str, Any], count: int) -> list[str]:
    """The block of every image: contiguous runs of the given sizes; blocks listed in `same` get one name.

    Raises:
        InputError: the sizes do not add up to `count`.
    """
    sizes = description["sizes"]
    if sum(sizes) != count:
        raise InputError(f"The descriptor's blocks have {sum(sizes)} images together, the package has {count}.")
    first = {block: same[0] for same in description["same"] for block in same}
    return [f"block{first.get(block, block):02d}" for block, size in enumerate(sizes, 1) for _ in range(size)]


def _image(path: Path, row: list[str], group: str, dataset: Dataset) -> RawImage:
    name, probability, kind = row
    defect, fraction, confidence = PROBABILITIES[probability]
    all_labels = dict(zip(COLUMNS, (defect, fraction, kind), strict=True))
    labels = {column: all_labels[column] for column in dataset.labels}
    return RawImage(path, name, labels, dict.fromkeys(dataset.weights, confidence), group)


def _card(descriptor: dict[str, Any], grouped: bool) -> dict[str, Any]:
    return {
        "title": descriptor["title"],
        "licence": descriptor["licence"],
        "citation": " ".join(descriptor["citation"]),
        "origin": f"{descriptor['package']} {descriptor['version']}, {descriptor['url']}",
        "group_is_proxy": descriptor["blocks"]["why"] if grouped else False,
        "skipped": 0,
    }
