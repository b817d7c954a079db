"""Import objects by path, so that reading a registry does not import what it lists."""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any


def load(place: str) -> Any:
    """Import the object at a "module:attribute" path.

    Args:
        place: "package.module:attribute".

    Raises:
        ModuleNotFoundError, AttributeError: there is no such module or attribute.
    """
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)


class Loaded(Mapping[str, Any]):
    """Read-only mapping from name to object, given the objects' import paths; imports on first access."""

    def __init__(self, places: Mapping[str, str]):
        self._places = places

    def __getitem__(self, name: str) -> Any:
        return load(self._places[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
