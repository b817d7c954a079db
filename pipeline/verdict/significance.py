"""Holm's adjustment, and how many trainings favour an arm."""

from collections.abc import Mapping, Sequence

import numpy as np


def probability_of_improvement(gains: Sequence[float | None]) -> float | None:
    """Share of trainings in which the transfer is better, ties half (Agarwal et al. 2021, section 4.3, paired).

    Trainings of undefined gain (None) are left out; None where none remains.
    """
    known = np.array([gain for gain in gains if gain is not None])
    return float((known > 0).mean() + (known == 0).mean() / 2) if len(known) else None


def holm(p_values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Holm's adjustment of p-values for the size of their family (Holm 1979); None stays None and is not counted."""
    known = sorted((p, name) for name, p in p_values.items() if p is not None)
    adjusted: dict[str, float | None] = dict.fromkeys(p_values)
    highest = 0.0
    for rank, (p, name) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        adjusted[name] = highest
    return adjusted
