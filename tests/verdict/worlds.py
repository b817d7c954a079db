"""Small made-up predictions for the tests of the verdict."""

import numpy as np

from pipeline.verdict.pairs import PairedPredictions, pair


def columns(n=300, k=2, folds=3, groups=12, seed=0, gain=0.1, nested=True, repeats=2):
    """The arguments of `pair`: two arms that are right on 60 % (+ gain) of n images, each tested once a repeat."""
    rng = np.random.default_rng(seed)
    labels = np.r_[np.arange(k), rng.integers(k, size=n - k)]
    group = np.r_[np.arange(groups), rng.integers(groups, size=n - groups)]
    unit = group if nested else np.arange(n)
    fold = np.concatenate([(rng.permutation(unit.max() + 1) % folds)[unit] + r * folds for r in range(repeats)])
    labels, group, repeat = np.tile(labels, repeats), np.tile(group, repeats), np.repeat(np.arange(repeats), n)
    arms = []
    for accuracy in (0.6 + gain, 0.6):
        wanted = np.where(rng.uniform(size=len(labels)) < accuracy, labels, rng.integers(k, size=len(labels)))
        scores = rng.uniform(size=(len(labels), k)) + 0.7 * np.eye(k)[wanted]
        arms.append(scores / scores.sum(1, keepdims=True))
    return {
        "labels": labels,
        "transfer": arms[0],
        "baseline": arms[1],
        "fold": fold,
        "group": group,
        "repeat": repeat,
        "weights": np.tile(rng.integers(1, 4, size=n) / 2, repeats),
    }


def pairs(**options) -> PairedPredictions:
    return pair(**columns(**options))
