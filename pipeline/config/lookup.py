"""Look-ups in a parsed params.yaml that is not validated yet: no function here raises."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.registry.pretraining import PRETRAINING, PretrainingEntry
from pipeline.store.words import nearest

Raw = Mapping[str, Any]


def entries_of(raw: Raw, section: str) -> list[tuple[str, dict[str, Any]]]:
    """Names and entries of a section; entries that are not mappings are left out."""
    return [(str(name), entry) for name, entry in entry_of(raw, section).items() if isinstance(entry, dict)]


def entry_of(raw: Raw, section: str, name: Any = None) -> dict[str, Any]:
    """A section, or one of its entries; {} if it is missing or not a mapping."""
    part = raw.get(section)
    if name is not None and isinstance(part, dict):
        part = part.get(name) if isinstance(name, str) else None
    return part if isinstance(part, dict) else {}


def links_of(raw: Raw, source: Any) -> list[str]:
    """The chain of pretrained sources along `init`, the given one first; a cycle is cut after one round."""
    links: list[str] = []
    while isinstance(source, str) and source not in links and (entry := entry_of(raw, "pretrained", source)):
        links.append(source)
        source = entry.get("init")
    return links


def origin_of(raw: Raw, source: Any) -> Mapping[str, Any] | None:
    """The entry of `sources` at the start of a source's `init` chain; None if there is none."""
    links = links_of(raw, source)
    first = entry_of(raw, "pretrained", links[-1]).get("init") if links else source
    return None if first in links or first is None else entry_of(raw, "sources", first) or None


def pretraining_of(pretrained: Raw) -> PretrainingEntry | None:
    """The registered pretraining method of an entry of `pretrained`; None if the name is unknown."""
    way = pretrained.get("pretrain")
    return PRETRAINING.get(way) if isinstance(way, str) else None


def alternatives(word: Any, names: Iterable[Any]) -> str:
    """The end of a message on a name that does not exist: the nearest one that does, and all of them."""
    known = [str(name) for name in names]
    return f"{nearest(str(word), known)}; available: {', '.join(known) or 'none'}"


def learns_labels(raw: Raw, source: Any) -> bool:
    """Whether a source is pretrained here with labels."""
    entry = pretraining_of(entry_of(raw, "pretrained", source))
    return entry is not None and entry.labelled
