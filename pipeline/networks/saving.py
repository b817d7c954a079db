"""Model files that are the same bytes for the same model, and whole or absent."""

import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from pipeline.store.files import replacing

# Keras stamps every file with the clock; a constant makes equal models equal files (the first year of the zip format).
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
DATE_SAVED = "1980-01-01@00:00:00"


def save_model(model: keras.Model, path: str | Path) -> None:
    """Write `model` as a `.keras` file: equal bytes for equal models, under the final name only once it is complete.

    Raises:
        ValueError: `path` does not end in `.keras`.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise ValueError(f"A model is saved as a .keras file, received {path}")
    with replacing(path) as temporary, tempfile.TemporaryDirectory() as folder:
        stamped = Path(folder, "stamped.keras")
        model.save(stamped)
        _rewrite(stamped, temporary)


def load_model(path: str | Path) -> keras.Model:
    """Load a `.keras` file in safe mode: a file that would run code of its own is refused with ValueError."""
    return keras.saving.load_model(path, safe_mode=True)


def _rewrite(source: Path, target: Path) -> None:
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as rewritten:
        for name in sorted(archive.namelist()):
            content = STABLE.get(name, bytes)(archive.read(name))
            rewritten.writestr(zipfile.ZipInfo(name, ZIP_TIME), content)


def _without_date(metadata: bytes) -> bytes:
    return json.dumps(json.loads(metadata) | {"date_saved": DATE_SAVED}).encode()


def _without_addresses(config: bytes) -> bytes:
    """Number shared objects in order of appearance: Keras marks each by its address in memory.

    Whether two layers share a dtype policy changes when a model is loaded and means nothing: those marks are dropped.
    """
    numbers: dict[int, int] = {}

    def renumbered(part: dict[str, Any]) -> dict[str, Any]:
        address = part.pop("shared_object_id", None)
        if address is not None and part.get("class_name") != "DTypePolicy":
            part["shared_object_id"] = numbers.setdefault(address, len(numbers))
        return part

    return json.dumps(json.loads(config, object_hook=renumbered)).encode()


# What changes from save to save, by the entry of the archive; the weights do not.
STABLE: dict[str, Callable[[bytes], bytes]] = {"metadata.json": _without_date, "config.json": _without_addresses}
