"""Images on which two arms disagree: those of either side, the most certain first, each with its own pixels."""

import builders
import numpy as np
import pandas as pd

from pipeline.report.disputed import disputed

LABELS = ["x", "x", "y", "y"]
TRUE = {"tuned": [0.9, 0.8, 0.2, 0.7], "scratch": [0.1, 0.3, 0.6, 0.9]}  # of the true label, by image
MANIFEST = pd.DataFrame({"image_id": list("dcba"), "row": [3, 2, 1, 0]})
IMAGES = np.arange(4, dtype="uint8")[:, None, None, None] * np.ones((1, 2, 2, 1), "uint8")


def predictions():
    """Two repeats, in which images are tested in another order."""
    rows = [
        {
            "arm": arm, "image_id": "abcd"[at], "label": LABELS[at], "repeat": repeat, "fold": repeat, "group": "g",
            "weight": 1.0, "p_x": p if LABELS[at] == "x" else 1 - p, "p_y": 1 - p if LABELS[at] == "x" else p,
        }
        for arm, true in TRUE.items()
        for repeat, order in enumerate([[1, 0, 3, 2], [2, 3, 0, 1]])
        for at, p in ((at, true[at]) for at in order)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_either_side_has_its_images_with_their_pixels():
    gained, lost = disputed(builders.transfer(), predictions(), MANIFEST, IMAGES)
    assert (gained.right, gained.wrong, gained.images) == ("tuned", "scratch", 2)
    assert [int(each.pixels[0, 0, 0]) for each in gained.shown] == [0, 1]
    assert gained.shown[0].label == "x" and gained.shown[0].probabilities["tuned"] == 0.9
    assert (lost.right, lost.images, int(lost.shown[0].pixels[0, 0, 0]), lost.shown[0].label) == ("scratch", 1, 2, "y")


def test_arms_that_agree_and_questions_that_are_no_transfer_have_none():
    agreed = predictions().assign(p_x=0.9, p_y=0.1)
    assert disputed(builders.transfer(), agreed, MANIFEST, IMAGES) == []
    assert disputed(builders.again(), predictions(), MANIFEST, IMAGES) == []
