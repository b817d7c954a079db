"""Images on which the two arms of a transfer disagree, averaged over repeats, as thumbnails for a contact sheet."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.report.contact_sheet import MOST
from pipeline.report.studies import tested_rows
from pipeline.results.result import Result
from pipeline.verdict.arms import image_labels
from pipeline.verdict.disagreements import disagreements, true_probabilities
from pipeline.verdict.metrics import Array


@dataclass(frozen=True)
class Thumbnail:
    """pixels: uint8 (h, w, 1 or 3). label: the true one. probabilities: of that label, by arm."""

    pixels: np.ndarray
    label: str
    probabilities: Mapping[str, float]


@dataclass(frozen=True)
class Side:
    """Images that only the arm `right` gets right: their number, and the most certain of them."""

    right: str
    wrong: str
    images: int
    shown: list[Thumbnail]


def disputed(result: Result, predictions: pd.DataFrame, manifest: pd.DataFrame, images: np.ndarray) -> list[Side]:
    """The images that the judged arm gets right and the other wrong, then the reverse; none of what is no transfer.

    Args:
        predictions: the table of `QuestionPaths.predictions`. images: of the dataset, uint8 (N, h, w, c).
    """
    if result.kind != "transfer":
        return []
    tables = {arm: predictions[predictions["arm"] == arm] for arm in (result.arm, result.against)}
    own = tables[result.arm]
    tested = tested_rows(own)
    columns = [f"p_{name}" for name in tested.classes]
    found = {arm: table[columns].to_numpy("float64") for arm, table in tables.items()}
    true = {arm: true_probabilities(tested, values) for arm, values in found.items()}
    rows = manifest.set_index("image_id")["row"][own["image_id"].unique()].to_numpy()
    labels = image_labels(tested)

    def side(right: str, wrong: str, at: Array) -> Side:
        shown = [
            Thumbnail(images[rows[i]], tested.classes[labels[i]], {arm: values[i] for arm, values in true.items()})
            for i in at[:MOST]
        ]
        return Side(right, wrong, len(at), shown)

    both = disagreements(tested, *found.values())
    sides = [side(result.arm, result.against, both.gained), side(result.against, result.arm, both.lost)]
    return sides if any(each.images for each in sides) else []
