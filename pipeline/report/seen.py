"""What is seen in a figure, in one sentence."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pipeline.report.language import say
from pipeline.report.words import metric_name, number, spaced
from pipeline.results.result import Result
from pipeline.results.run import Study


def saving_seen(result: Result, metric: str) -> str:
    """Of the quality over compute: where both end, and whether the transfer got where the other ended."""
    arm, other = (number(result.arms[which][metric]) for which in (result.arm, result.against))
    values = {"arm": spaced(result.arm), "own": arm, "other": spaced(result.against), "against": other}
    cost = result.cost_to_equal_quality
    if cost is None or cost.ratio is None:
        return say("{arm} ends at {own}, {other} at {against}.", **values)
    if not cost.reached:
        return say("{arm} ends at {own} and never gets to the {against} of {other}.", **values)
    ratio = f"{cost.ratio:.0%}"
    return say(
        "{arm} ends at {own}; it first reaches the {against} of {other} with {ratio} of the compute at which {other} "
        "itself first reached it.",
        **values,
        ratio=ratio,
    )


def roc_seen(result: Result) -> str:
    """Of the ROC curves: the area under each."""
    areas = {arm: result.arms[arm].get("roc_auc") for arm in (result.arm, result.against)}
    own, other = areas.values()
    if own is None or other is None:
        return ""
    higher, lower = (result.arm, result.against) if own >= other else (result.against, result.arm)
    return say(
        "{higher} ranks images better than {lower}: ROC AUC {most} against {least}.",
        higher=spaced(higher),
        lower=spaced(lower),
        most=number(areas[higher]),
        least=number(areas[lower]),
    )


def confusion_seen(
    confusion: Mapping[str, Sequence[Sequence[float]]], classes: Sequence[str], arm: str, other: str
) -> str:
    """Of two confusion matrices: the class whose recall differs most."""
    own, against = (_recall(confusion[each]) for each in (arm, other))
    at = int(np.abs(own - against).argmax())
    if own[at] == against[at]:
        return say("{arm} and {other} recognise every class equally often.", arm=spaced(arm), other=spaced(other))
    return say(
        "They differ most on {label}: {arm} recognises {own} of its images, {other} {against}.",
        label=" ".join(classes[at].split()),
        arm=spaced(arm),
        other=spaced(other),
        own=f"{own[at]:.0%}",
        against=f"{against[at]:.0%}",
    )


def _recall(counts: Sequence[Sequence[float]]) -> np.ndarray:
    table = np.array(counts)
    return np.diag(table) / np.maximum(table.sum(1), 1e-12)


def calibration_seen(rows: pd.DataFrame, arm: str) -> str:
    """Of the calibration of an arm: whether it claims more certainty than it has.

    Args:
        rows: arm, confidence, accuracy, weight; the weights of an arm sum to 1.
    """
    own = rows[rows["arm"] == arm].dropna(subset=["confidence", "accuracy"])
    if own.empty:
        return ""
    more = float(((own["confidence"] - own["accuracy"]) * own["weight"]).sum() / own["weight"].sum())
    values = {"arm": spaced(arm), "points": f"{abs(more):.0%}"}
    if more >= 0:
        return say("{arm} is surer than it is right, on average by {points}: below the diagonal.", **values)
    return say("{arm} is right more often than it is sure, on average by {points}: above the diagonal.", **values)


def labels_seen(study: Study, metric: str) -> str:
    """Of the quality over the share of the labels: each arm at both ends."""
    few, most = (f"{study.fractions[at]:.0%}" for at in (0, -1))
    arms = "; ".join(
        say("{arm} from {low} to {high}", arm=spaced(arm), low=number(curve[0].value), high=number(curve[-1].value))
        for arm, curve in study.curves.items()
    )
    return say(
        "From {few} to {most} of the labels {metric} goes: {arms}.",
        few=few,
        most=most,
        metric=metric_name(metric),
        arms=arms,
    )
