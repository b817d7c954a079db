"""Names in params.yaml: what YAML reads as something else than text, and what a file system cannot tell apart."""

import datetime
import json
from typing import Any

from pipeline.config.lookup import Raw, entry_of

KINDS = ((bool, "true or false"), (int | float, "a number"), (datetime.date, "a date"), (type(None), "no value"))
# sections whose entries are folders beside each other
NEIGHBOURS = (("sources", "pretrained"), *((s,) for s in ("datasets", "targets", "baselines", "transfers", "rescaled")))
NEIGHBOURS += tuple((section,) for section in ("studies", "adaptations", "questions"))
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}


def as_text(raw: Any, at: str = "", above: tuple[int, ...] = ()) -> tuple[Any, list[str]]:
    """A parsed YAML value whose keys are all text, and a fault for each that is not, and for each odd value.

    DVC reads the same file and makes no stage for the entry `2024:`, which is a number to YAML. So is a date no text.
    """
    if id(raw) in above:
        return None, [f"{at}: refers to itself; write its fields out"]
    if isinstance(raw, list):
        parts = [as_text(value, f"{at}.{index}", (*above, id(raw))) for index, value in enumerate(raw)]
        return [value for value, _ in parts], [fault for _, found in parts for fault in found]
    if not isinstance(raw, dict):
        return (raw, []) if isinstance(raw, str | int | float | None) else (str(raw), [_fault(at, raw, str(raw))])
    result, faults = {}, []
    for key, value in raw.items():
        word = key if isinstance(key, str) else _yaml(key)
        place = f"{at}.{word}" if at else word
        if word in result:
            faults.append(f"{place}: occurs twice, once in quotes; remove one")
        if not isinstance(key, str):
            faults.append(_fault(place, key, word, "this name"))
        result[word], found = as_text(value, place, (*above, id(raw)))
        faults += found
    return result, faults


def name_faults(raw: Raw) -> list[str]:
    """Names of entries that some file system holds for one, or cannot hold."""
    faults = []
    for sections in NEIGHBOURS:
        seen: dict[str, str] = {}
        for section in sections:
            for name in map(str, entry_of(raw, section)):
                other = seen.setdefault(name.casefold(), f"{section}.{name}")
                if other.partition(".")[2] != name:
                    faults.append(f"{section}.{name}: differs from {other} in case alone; choose another name")
                if name.casefold() in DEVICES:
                    faults.append(f"{section}.{name}: Windows has a device of this name; choose another")
    return faults


def _fault(at: str, value: Any, word: str, what: str = "the value") -> str:
    kind = next((kind for types, kind in KINDS if isinstance(value, types)), f"{type(value).__name__}, no text")
    return f'{at}: {what} is {kind} to YAML; write it in quotes: "{word}"'


def _yaml(key: Any) -> str:
    """A key as text; a number as Python writes it (1e3 is 1000.0)."""
    return json.dumps(key) if isinstance(key, bool | None) else str(key)
