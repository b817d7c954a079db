"""Significance tests of the difference between two arms."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import binomtest, chi2

from pipeline.verdict.metrics import Array

EXACT_BELOW = 25  # discordant pairs; the usual bound for the chi-square approximation (Edwards 1948; Dietterich 1998)


def mcnemar(right_transfer: Array, right_baseline: Array) -> float | None:
    """Two-sided p-value of McNemar's test (McNemar 1947) that both arms have the same accuracy.

    Exact binomial below 25 discordant pairs, else chi-square with Edwards' continuity correction. The test takes images
    as independent, so its p is too small with groups: it is reported beside the verdict, which does not use it.

    Args:
        right_transfer, right_baseline: (n,) bool, whether each arm predicts the true class. Weights are not used.

    Returns: None where no pair is discordant.
    """
    gained = int(np.sum(right_transfer & ~right_baseline))
    lost = int(np.sum(right_baseline & ~right_transfer))
    if gained + lost == 0:
        return None
    if gained + lost < EXACT_BELOW:
        return float(binomtest(gained, gained + lost).pvalue)
    return float(chi2.sf(max(abs(gained - lost) - 1, 0) ** 2 / (gained + lost), df=1))


def probability_of_improvement(fold_gains: Sequence[float | None]) -> float | None:
    """Share of folds in which the transfer is better, ties half (Agarwal et al. 2021, section 4.3, paired).

    Folds of undefined gain (None) are left out; None where none remains.
    """
    gains = np.array([gain for gain in fold_gains if gain is not None])
    return float((gains > 0).mean() + (gains == 0).mean() / 2) if len(gains) else None


def p_two_sided(samples: Array) -> float:
    """Two-sided bootstrap p-value of no gain: twice the smaller tail beyond zero, at most 1.

    Args:
        samples: (r,) resampled gains. One is added to count and total, so p is never 0 (Davison & Hinkley 1997, 4.11).
    """
    tail = min(np.sum(samples <= 0), np.sum(samples >= 0))
    return min(1.0, 2 * (float(tail) + 1) / (len(samples) + 1))


def p_equivalence(samples: Array, margin: float) -> float:
    """Equivalence test (TOST): the larger p of the one-sided tests against -margin and +margin (Schuirmann 1987).

    Below alpha exactly where the interval of level 1 - 2 alpha lies inside the margin. A margin of 0 gives at least .5.
    """
    tail = max(np.sum(samples <= -margin), np.sum(samples >= margin))
    return min(1.0, (float(tail) + 1) / (len(samples) + 1))


def holm(p_values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Holm's adjustment of p-values for the size of their family (Holm 1979); None stays None and is not counted."""
    known = sorted((p, name) for name, p in p_values.items() if p is not None)
    adjusted: dict[str, float | None] = dict.fromkeys(p_values)
    highest = 0.0
    for rank, (p, name) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        adjusted[name] = highest
    return adjusted
