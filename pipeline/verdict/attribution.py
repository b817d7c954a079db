"""How much of a gain is the scale of pretrained weights, and how much their features."""

from typing import Any

from pipeline.config.schema import VerdictParams
from pipeline.verdict.arms import Tested
from pipeline.verdict.judging import judge
from pipeline.verdict.metrics import Array

UNDEFINED = "a gain that is not above zero cannot be divided into shares"


def attribute(
    tested: Tested, arm: Array, rescaled: Array, scratch: Array, settings: VerdictParams, seed: int
) -> dict[str, Any]:
    """Divide the gain of `arm` over `scratch` at `rescaled`: random weights with the pretrained ones' statistics.

    Args:
        arm, rescaled, scratch: float (n, k), probabilities in the order of `tested`.
        settings, seed: as those of `judge`.

    Returns:
        `features`: the verdict on arm against rescaled; `scaling`: that on rescaled against scratch; their gains sum to
        the whole. `features_share`, `scaling_share`: of the whole gain, which may lie outside 0..1 where one of the two
        does harm; None with a `reason` where the whole is undefined or not above zero.
    """
    features, scaling = (judge(tested, *pair, settings, seed) for pair in ((arm, rescaled), (rescaled, scratch)))
    gains = [part["gain"] for part in (features, scaling)]
    whole = None if None in gains else sum(gains)
    known = whole is not None and whole > 0
    return {
        "features": features,
        "scaling": scaling,
        "features_share": gains[0] / whole if known else None,
        "scaling_share": gains[1] / whole if known else None,
        "reason": None if known else UNDEFINED,
    }
