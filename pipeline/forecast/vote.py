"""Forecast of the sign of a transfer's gain, before any training.

Raw scores mislead: some rate noise or shuffled labels high. So each score becomes a z-score against its values for
permuted labels, and the source's z is compared with that of the same architecture with random weights.

The rule, which was not fitted to any run's verdicts: a score votes `positive` if the source's z is above that of random
weights, else `negative`. The forecast is the majority vote; a tie is `negative`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.forecast.score_inputs import Array, ScoreInputs
from pipeline.forecast.scores import SCORES

SOURCE, RANDOM = "source", "random"
REASON = "{} of {} scores rate the source's features above those of random weights"


def z_scores(inputs: ScoreInputs, labels: Array, permutations: int, seed: int) -> dict[str, float | None]:
    """Every score of labels int64 (n,) as a z-score against permuted labels; None where undefined or without variance.

    Args:
        seed: of the permutations; pass the same for two networks that are compared.
    """
    if not inputs.features.any():  # the features are constant
        return dict.fromkeys(SCORES)
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(labels) for _ in range(permutations)]
    result: dict[str, float | None] = {}
    for name, prepare in SCORES.items():
        score = prepare(inputs)
        null = np.array([score(permuted) for permuted in shuffled]) if score else np.zeros(1)
        spread = float(null.std())
        spreads = spread > np.finfo(np.float64).eps * np.abs(null).max()
        result[name] = (score(labels) - float(null.mean())) / spread if score and spreads else None
    return result


def forecast(folds: Sequence[Mapping[str, Mapping[str, float | None]]]) -> dict[str, Any]:
    """The majority vote of the scores, each averaged over folds.

    Args:
        folds: for each fold `source` and `random`: score -> z.

    Returns:
        label (None where no score is defined), positive_votes, votes, the reason in words, and `scores`: of each the
        mean z for source and random, and its vote; None where it is undefined in any fold.
    """
    scores: dict[str, Any] = {}
    for name in SCORES:
        mean = {features: _mean([fold[features][name] for fold in folds]) for features in (SOURCE, RANDOM)}
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
        "reason": REASON.format(positive, len(votes)),
        "scores": scores,
    }


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if len(defined) == len(values) else None
