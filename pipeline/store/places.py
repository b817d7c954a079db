"""Objects by the place where they live, so that a table of names can be read without importing what it names."""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any


def load(place: str) -> Any:
    """Import the object at a place.

    Args:
        place: "package.module:attribute".

    Raises:
        ModuleNotFoundError, AttributeError: nothing lives there.
    """
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)


class Loaded(Mapping[str, Any]):
    """A read-only view of a table of places whose values are the objects that live there, imported when asked for."""

    def __init__(self, places: Mapping[str, str]):
        self._places = places

    def __getitem__(self, name: str) -> Any:
        return load(self._places[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
