"""Small made-up predictions for the tests of the verdict."""

import numpy as np

from pipeline.verdict.pairs import PairedPredictions, pair


def columns(n=300, k=2, folds=3, groups=12, seed=0, gain=0.1, nested=True):
    """Give the arguments of `pair`: two arms that are right on 60 % (+ gain) of the images."""
    rng = np.random.default_rng(seed)
    labels = np.r_[np.arange(k), rng.integers(k, size=n - k)]
    group = rng.integers(groups, size=n)
    fold = group % folds if nested else rng.integers(folds, size=n)
    arms = []
    for accuracy in (0.6 + gain, 0.6):
        wanted = np.where(rng.uniform(size=n) < accuracy, labels, rng.integers(k, size=n))
        scores = rng.uniform(size=(n, k)) + 0.7 * np.eye(k)[wanted]
        arms.append(scores / scores.sum(1, keepdims=True))
    return {"labels": labels, "transfer": arms[0], "baseline": arms[1], "fold": fold, "group": group}


def pairs(**options) -> PairedPredictions:
    return pair(**columns(**options))
