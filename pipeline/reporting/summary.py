"""From the transfers' own files to the one object that everything else of the report is made of."""

from collections.abc import Mapping
from typing import Any

from pipeline.frame.params import Params
from pipeline.verdict.decision import Verdict, with_holm
from pipeline.verdict.difference import holm


def summarise(
    verdicts: Mapping[str, dict[str, Any]], metrics: Mapping[str, dict[str, Any]], params: Params
) -> dict[str, Any]:
    """The content of reports/metrics.json: one object a transfer, then `run`.

    Evidence is judged here once more, since Holm's adjustment needs all transfers of the run.

    Args:
        verdicts, metrics: the content of verdict.json and metrics.json of every transfer in params, in their order.
    """
    judged = with_holm({name: last_verdict(verdict) for name, verdict in verdicts.items()})
    equal = {name: Verdict.from_dict(verdict["equal_compute"]) for name, verdict in verdicts.items()}
    p_equal = holm({name: verdict.p for name, verdict in equal.items()})
    result: dict[str, Any] = {}
    for name, verdict in judged.items():
        transfer, file = params.transfers[name], verdicts[name]
        result[name] = {
            "setting": transfer.setting,
            "source": transfer.source,
            "target": transfer.target,
            "arm": file["arm"],
            "label": verdict.label,
            "evidence": verdict.evidence,
            "gain": verdict.gain,
            "ci_low": verdict.ci_low,
            "ci_high": verdict.ci_high,
            "p_holm": verdict.p_holm,
            "smallest_detectable_gain": verdict.smallest_detectable_gain,
            "images_needed": verdict.images_needed,
            "equal_compute": {
                "gain": equal[name].gain,
                "ci_low": equal[name].ci_low,
                "ci_high": equal[name].ci_high,
                "p_holm": p_equal[name],
            },
            "baseline_stopped_improving": all(file["stopped_improving"]["scratch"]),
            "arms": metrics[name],
            "compute": file["compute"],
        }
    run = params.run
    result["run"] = {
        "metric": params.verdict.metric,
        "protocol": run.protocol,
        "folds": run.folds,
        "image_size": run.image_size,
        "controls": None,  # null: this run has none
    }
    return result


def last_verdict(file: Mapping[str, Any]) -> Verdict:
    """The transfer's own verdict: that of its last arm."""
    return Verdict.from_dict(file["verdicts"][file["arm"]])


def sentence(name: str, entry: Mapping[str, Any], metric: str) -> str:
    """One transfer in one sentence, for people."""
    if entry["gain"] is None:
        return f"{name}: no verdict, since the gain is undefined"
    caveat = "" if entry["baseline_stopped_improving"] else "; scratch had not stopped improving when its budget ended"
    arm, scratch = entry["arms"][entry["arm"]][metric], entry["arms"]["scratch"][metric]
    interval = "" if entry["ci_low"] is None else f" [{entry['ci_low']:+.3f}, {entry['ci_high']:+.3f}]"
    return (
        f"{name}: {entry['label']}, {entry['evidence']}: {metric.replace('_', ' ')} {arm:.3f} against {scratch:.3f} "
        f"from scratch, gain {entry['gain']:+.3f}{interval}, {spending(entry['compute']['saved'])}{caveat}"
    )


def spending(saved: float) -> str:
    """The share of compute saved, in words: a transfer may also cost more than training from scratch."""
    return f"{saved:.0%} of the compute saved" if saved >= 0 else f"{-saved:.0%} more compute spent"
