"""Save models reproducibly and atomically: equal models give equal bytes."""

import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from pipeline.store.files import replacing

# Keras writes the current time into every file; a constant gives equal bytes (1980 is the first year of zip).
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
DATE_SAVED = "1980-01-01@00:00:00"


def save_model(model: keras.Model, path: str | Path) -> None:
    """Write `model` as a `.keras` file: equal bytes for equal models, in place only once it is complete.

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
    """Load a `.keras` file in safe mode; a file that would run code raises ValueError."""
    return keras.saving.load_model(path, safe_mode=True)


def _rewrite(source: Path, target: Path) -> None:
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as rewritten:
        for name in sorted(archive.namelist()):
            content = STABLE.get(name, bytes)(archive.read(name))
            rewritten.writestr(zipfile.ZipInfo(name, ZIP_TIME), content)


def _without_date(metadata: bytes) -> bytes:
    return json.dumps(json.loads(metadata) | {"date_saved": DATE_SAVED}).encode()


def _without_addresses(config: bytes) -> bytes:
    """Number shared objects in order of appearance in place of their memory addresses.

    Ids of dtype policies are dropped: whether layers share one changes on loading and has no effect.
    """
    numbers: dict[int, int] = {}

    def renumbered(part: dict[str, Any]) -> dict[str, Any]:
        address = part.pop("shared_object_id", None)
        if address is not None and part.get("class_name") != "DTypePolicy":
            part["shared_object_id"] = numbers.setdefault(address, len(numbers))
        return part

    return json.dumps(json.loads(config, object_hook=renumbered)).encode()


# rewrites of the archive's entries that change from save to save; the weights do not
STABLE: dict[str, Callable[[bytes], bytes]] = {"metadata.json": _without_date, "config.json": _without_addresses}
