"""Choose one of several arms in every training by its validation part: a way of training of its own.

No test image takes part: the choice belongs to the procedure that is judged, as early stopping does.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.verdict.metrics import Array

CHOSEN = "chosen"  # the name of the arm that is made of others
QUALITY = "balanced_accuracy"  # on the validation part


@dataclass(frozen=True)
class Candidate:
    """An arm to choose: probabilities (n, k) of its tests, and the counts of its folds with their validation."""

    probabilities: Array
    folds: list[dict[str, Any]]

    def quality(self, fold: int) -> float:
        """Balanced accuracy on the validation part of a fold, at the kept epoch."""
        (found,) = (each["validation"][QUALITY] for each in self.folds if each["fold"] == fold)
        return float(found)


def choose(candidates: Mapping[str, Candidate], fold: Array) -> tuple[Array, dict[str, int]]:
    """The probabilities of the candidate that is best on validation, fold by fold; the later one of equals.

    Args:
        fold: (n,) of every test.

    Returns:
        Probabilities (n, k), and candidate -> the number of folds in which it was chosen.
    """
    names, numbers = list(candidates), np.unique(fold)
    best = {
        int(number): max(names, key=lambda name: (candidates[name].quality(number), names.index(name)))
        for number in numbers
    }
    chosen = np.empty_like(next(iter(candidates.values())).probabilities)
    for number, name in best.items():
        rows = fold == number
        chosen[rows] = candidates[name].probabilities[rows]
    counts = Counter(best.values())
    return chosen, {name: counts[name] for name in names}
