"""The forecast of a transfer's sign, before anything of it is trained.

Raw scores mislead: some rate noise or shuffled labels high. So each is taken as z, its distance from what it gives for
the same labels dealt out anew at random, in standard deviations of that, and the z of the source's features stands
beside that of a network of the same architecture with random weights.

The rule, which no run's verdicts were fitted to: a score votes `positive` if the source's z is above that of random
weights, else `negative`; the forecast is what most scores vote, and `negative` where they are divided evenly.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.forecast.known import Array, Known
from pipeline.forecast.scores import SCORES

SOURCE, RANDOM = "source", "random"


def z_scores(known: Known, labels: Array, permutations: int, seed: int) -> dict[str, float | None]:
    """Every score of labels int64 (n,) as z against permuted labels; None where there is no such score, or no spread.

    Args:
        seed: of the permutations; with the same one, two networks are judged by the same permutations.
    """
    if not known.features.any():  # says the same of all images
        return dict.fromkeys(SCORES)
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(labels) for _ in range(permutations)]
    result: dict[str, float | None] = {}
    for name, prepare in SCORES.items():
        score = prepare(known)
        null = np.array([score(permuted) for permuted in shuffled]) if score else np.zeros(1)
        spread = float(null.std())
        spreads = spread > np.finfo(np.float64).eps * np.abs(null).max()
        result[name] = (score(labels) - float(null.mean())) / spread if score and spreads else None
    return result


def forecast(folds: Sequence[Mapping[str, Mapping[str, float | None]]]) -> dict[str, Any]:
    """The forecast from the z of every fold, by the rule above.

    Args:
        folds: for each fold `source` and `random`: score -> z.

    Returns:
        label (None where no score is defined), positive_votes, votes, the reason in words, and `scores`: for each its
        mean z over the folds for source and random, and its vote; None where it is undefined in any fold.
    """
    scores: dict[str, Any] = {}
    for name in SCORES:
        mean = {of: _mean([fold[of][name] for fold in folds]) for of in (SOURCE, RANDOM)}
        source, random = mean[SOURCE], mean[RANDOM]
        vote = None if source is None or random is None else "positive" if source > random else "negative"
        scores[name] = {**mean, "vote": vote}
    votes = [score["vote"] for score in scores.values() if score["vote"]]
    positive = votes.count("positive")
    label = None if not votes else "positive" if positive > len(votes) - positive else "negative"
    return {
        "label": label,
        "positive_votes": positive,
        "votes": len(votes),
        "reason": f"{positive} of {len(votes)} scores find more of the labels in the features of the source than in "
        "those of random weights",
        "scores": scores,
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None
