"""The verdict on one arm against another, for every stage that gives one."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pipeline.config.schema import VerdictParams
from pipeline.verdict.arms import Tested
from pipeline.verdict.decision import decide
from pipeline.verdict.metrics import Array
from pipeline.verdict.pairs import pair


def judge(tested: Tested, arm: Array, baseline: Array, settings: VerdictParams, seed: int) -> dict[str, Any]:
    """The verdict on one arm against its baseline, as a plain object.

    Args:
        tested: what is known of the n tested images, whichever arm they were put to.
        arm, baseline: float (n, k), probabilities in the order of `tested`.
        settings: what decides: metric, alpha, margin, resamples.
        seed: of the bootstrap.

    Returns:
        The fields of `decision.Verdict`; nothing is undefined without a reason among them.
    """
    pairs = pair(tested.labels, arm, baseline, tested.fold, tested.group, tested.weights)
    metric, alpha, margin, resamples = settings.metric, settings.alpha, settings.margin, settings.resamples
    return asdict(decide(pairs, metric, seed=seed, alpha=alpha, margin=margin, resamples=resamples))


def in_words(verdict: Mapping[str, Any]) -> str:
    """A verdict as a line of a log."""
    gain = "undefined" if verdict["gain"] is None else f"{verdict['gain']:+.3f}"
    return f"{verdict['label']}, {verdict['evidence']}, gain {gain} in {verdict['metric']}"
