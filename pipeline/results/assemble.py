"""Build the typed result of a question from its comparison."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.config.schema import Question, VerdictParams
from pipeline.results.result import (
    Candidate,
    Ceiling,
    Compute,
    Details,
    EqualQuality,
    Kind,
    Reading,
    Result,
    Spent,
    reading_fields,
)
from pipeline.store.roles import fold_count, role_column
from pipeline.verdict.arms import arm_metrics, confusion_counts
from pipeline.verdict.comparison import Comparison, at_equal_compute, verdicts
from pipeline.verdict.cost_curve import cost_to_equal_quality
from pipeline.verdict.decision import Verdict
from pipeline.verdict.failures import failed_trainings
from pipeline.verdict.looks import look_of, nominal_level
from pipeline.verdict.spending import saving, spent, stopped_improving

KINDS: dict[str, Kind] = {  # section of params that has the judged arm -> kind of question
    "transfers": "transfer",
    "baselines": "again",
    "rescaled": "rescaled",
    "adaptations": "adaptation",
}
NO_SAVING: dict[Kind, str] = {  # why there is no share of compute saved
    "adaptation": "an adaptation is compared with its unadapted source, not with training from scratch",
    "again": "both trainings began from scratch, with the same budget",
    "rescaled": "both trainings began from random weights, with the same budget",
}
QUALITIES = ("accuracy", "balanced_accuracy")  # test metrics of candidates, measured after the choice


def assemble(
    question: Question,
    compared: Comparison,
    facts: dict[str, Any],
    candidates: pd.DataFrame | None,
    saving_rows: pd.DataFrame | None,
    settings: VerdictParams,
    earlier_repeats: list[int],
) -> Result:
    """Judge a comparison and collect its result.

    Args:
        facts: of the judged side (facts.json). candidates: of an adaptation, a row a fold and candidate.
        saving_rows: from `cost_curve.saving_curve`, of arms trained epoch by epoch.
        earlier_repeats: at which this question was judged before.
    """
    section, _, entry = question.arm.partition("/")
    kind, baseline = KINDS[section], question.against.partition("/")[2]
    level = nominal_level(settings.alpha, settings.looks)
    judged = verdicts(compared, settings, level)
    equal = at_equal_compute(compared, settings, level) if kind == "transfer" else None
    tested, repeats = compared.tested, compared.tested.repeats
    stopped = stopped_improving(compared.all_arms)
    fields: dict[str, Any] = {
        **reading_fields(judged[compared.arm]),
        **{key: facts[key] for key in ("setting", "source") if key in facts},
        "kind": kind,
        "target": question.target,
        "control": question.control,
        "part_of": question.part_of,
        "arm": compared.arm,
        "against": compared.other,
        "arms": {name: arm_metrics(tested, values) for name, values in compared.probabilities.items()},
        "compute": compute(compared, kind),
        "trainings": len(np.unique(tested.fold)),
        "choices": compared.choices,
        "looks": look_of(repeats, settings.looks),
        "level": level,
        "failed": {name: count for name, count in failures(compared, settings.metric).items() if count},
        "earlier_repeats": unplanned(earlier_repeats, repeats, settings.looks),
        "details": details(compared, judged, equal, stopped),
    }
    if kind != "adaptation":
        ended = stopped[compared.other]
        fields |= {"baseline": baseline, "baseline_stopped_improving": 2 * sum(ended) >= len(ended)}
    if kind == "again":
        fields["again"] = entry
    if equal is not None and saving_rows is not None:
        fields |= {
            "equal_compute": Reading(**reading_fields(equal)),
            "cost_to_equal_quality": equal_quality(compared, saving_rows, settings.metric),
        }
    if candidates is not None:
        fields |= {
            "methods": chosen_methods(candidates),
            "candidates": candidates_over_folds(candidates),
            "ceiling": ceiling(compared, judged),
        }
    return Result(**fields)


def compute(compared: Comparison, kind: Kind) -> Compute:
    """The compute of every trained arm, and the share that a transfer saved."""
    arms = {name: Spent(**spent(arm)) for name, arm in compared.all_arms.items() if arm.cost["folds"]}
    if kind == "transfer":
        return Compute(arms=arms, **saving(compared.arms, compared.against[compared.other]))
    return Compute(arms=arms, saved_reason=NO_SAVING[kind])


def unplanned(earlier: list[int], repeats: int, looks: list[int]) -> list[int]:
    """The earlier looks that no plan prices in: all of them, or those outside the plan that `repeats` belongs to."""
    return [each for each in earlier if repeats not in looks or each not in looks]


def failures(compared: Comparison, metric: str) -> dict[str, int]:
    """Arm -> the number of its trainings that failed."""
    tested = compared.tested
    return {
        name: int(failed_trainings(tested.labels, values, tested.fold, metric, tested.weights).sum())
        for name, values in compared.probabilities.items()
    }


def equal_quality(compared: Comparison, saving_rows: pd.DataFrame, metric: str) -> EqualQuality:
    """The compute at which the transfer first matched the final quality of the reference arm."""
    quality = arm_metrics(compared.tested, compared.probabilities[compared.other])[metric]
    return EqualQuality(**cost_to_equal_quality(saving_rows, quality, metric, compared.other))


def details(
    compared: Comparison, judged: dict[str, Verdict], equal: Verdict | None, stopped: dict[str, list[bool]]
) -> Details:
    """The parts of a result that only the report shows."""
    tested = compared.tested
    return Details(
        verdicts=judged,
        equal_compute=equal,
        classes=tested.classes,
        confusion={name: confusion_counts(tested, values) for name, values in compared.probabilities.items()},
        stopped_improving=stopped,
        folds={name: arm.cost["folds"] for name, arm in compared.all_arms.items() if arm.cost["folds"]},
        labelled_images=labelled_images(compared.examples),
    )


def labelled_images(examples: pd.DataFrame) -> float:
    """Number of a target's images whose labels are used in training or validation, mean over the folds."""
    roles = examples[[role_column(fold) for fold in range(fold_count(examples))]]
    return float(roles.isin(["train", "validation"]).sum().mean())


def chosen_methods(candidates: pd.DataFrame) -> dict[str, int]:
    """Method -> the number of folds in which the criterion chose it."""
    counts = candidates[candidates["chosen"]].groupby("method").size()
    return {str(method): int(folds) for method, folds in counts.items()}


def candidates_over_folds(candidates: pd.DataFrame) -> list[Candidate]:
    """Means over folds of every method and strength (None: it has none), in the order in which they were tried."""
    return [
        Candidate(
            method=str(rows["method"].iloc[0]),
            strength=None if rows["strength"].isna().all() else float(rows["strength"].iloc[0]),
            criterion=float(rows["criterion"].mean()),
            folds_chosen=int(rows["chosen"].sum()),
            **{name: float(rows[name].mean()) if name in rows else None for name in QUALITIES},
        )
        for _, rows in candidates.groupby(["method", "strength"], sort=False, dropna=False)
    ]


def ceiling(compared: Comparison, judged: dict[str, Verdict]) -> Ceiling:
    """The gain of a linear probe with the target's labels, and the share of it that was reached without them.

    The share is None where the probe gained nothing or a gain is undefined. It may exceed 1: probes are no upper bound.
    """
    name = list(compared.arms)[-1]  # the linear probe
    gain, probe = judged[compared.arm].gain, judged[name]
    reached = None if gain is None or probe.gain is None or probe.gain <= 0 else gain / probe.gain
    return Ceiling(arm=name, gain=probe.gain, ci_low=probe.ci_low, ci_high=probe.ci_high, reached=reached)


def predictions_table(compared: Comparison) -> pd.DataFrame:
    """The predictions of all arms, a row an arm and test of an image.

    Columns: arm, image_id, label, repeat, fold, group, weight, p_<class>...
    """
    tested = compared.tested
    images = pd.DataFrame(
        {
            "image_id": compared.examples["image_id"].to_numpy()[tested.position],
            "label": compared.examples["label"].to_numpy()[tested.position],
            "repeat": tested.repeat,
            "fold": tested.fold,
            "group": tested.group,
            "weight": tested.weights,
        }
    )
    parts = []
    for name, values in compared.probabilities.items():
        columns = {f"p_{label}": values[:, index] for index, label in enumerate(tested.classes)}
        parts.append(pd.concat([images.assign(arm=name), pd.DataFrame(columns)], axis=1))
    return pd.concat(parts, ignore_index=True)
