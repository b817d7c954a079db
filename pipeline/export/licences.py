"""Whose licences an exported network depends on: of the images, and of every source in the chain of its weights."""

from pathlib import Path
from typing import Any, NamedTuple

from pipeline.config.params import Params
from pipeline.store.files import check_sealed, read_json
from pipeline.store.paths import Paths


class Licence(NamedTuple):
    """What it is of, its terms, where that came from, and whom to cite, as the cards of the run have them."""

    what: str
    licence: str
    origin: str
    citation: str


def licences(params: Params, paths: Paths, reference: str, target: str) -> list[Licence]:
    """The licences behind an arm, section/NAME, on a target: of its images, then of its weights back to the first."""
    dataset = read_json(paths.target(target).images)["dataset"]
    rows = [_row(f"images: {dataset}", without_folders(read_json(paths.dataset(dataset).card)))]
    section, _, name = reference.partition("/")
    source = getattr(params.at(section)[name], "source", None)
    if source is None:
        return [*rows, Licence("weights", "none", "random initial weights", "")]
    while source:
        check_sealed(paths.source(source).folder)
        card = read_json(paths.source(source).card)
        rows.append(_row(f"weights: {source}", card))
        source = card.get("init")
    return rows


def without_folders(card: dict[str, Any]) -> dict[str, Any]:
    """The card of a dataset with the name of its folder in the place of an absolute path: exports are published."""
    origin = str(card.get("origin", ""))
    if not Path(origin).is_absolute():
        return card
    return card | {key: str(card[key]).replace(origin, Path(origin).name) for key in ("title", "origin")}


def _row(what: str, card: dict[str, str]) -> Licence:
    return Licence(what, *(str(card.get(key) or "not stated") for key in ("licence", "origin", "citation")))
