"""From the transfers' own files to the one object that everything else of the report is made of."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pipeline.config.params import Params
from pipeline.config.schema import RESERVED
from pipeline.verdict.controls import failures, held
from pipeline.verdict.decision import Verdict, with_holm

TRANSFER, ADAPTATION, REPEAT = "transfer", "adaptation", "repeat"  # kinds of entries; repeat: a baseline against itself
# why there is no share of compute saved where nothing was compared with training from scratch
NO_SAVING = {
    ADAPTATION: "an adaptation is compared with its source as it is, not with training from scratch",
    REPEAT: "both trainings began from scratch, with the same budget",
}
ADJUSTED = ("p_holm", "evidence", "smallest_detectable_gain", "images_needed", "folds_needed")  # for all verdicts
EQUAL = ("gain", "ci_low", "ci_high", *ADJUSTED)  # of the reading at equal compute
Files = Mapping[str, Mapping[str, Any]]


def cells(params: Params) -> list[str]:
    """Everything that has a verdict, in the order of params: transfers, adaptations, nulls."""
    return [*params.transfers, *params.adaptations, *params.nulls]


def controls_of(params: Params) -> dict[str, str]:
    """Name -> control, of all entries whose answer is known in advance."""
    planted = {name: transfer.control for name, transfer in params.transfers.items() if transfer.control}
    return {**planted, **{name: null.control for name, null in params.nulls.items()}}


def summarise(verdicts: Files, metrics: Files, cards: Files, forecasts: Files, params: Params) -> dict[str, Any]:
    """The content of reports/metrics.json: one object for everything that has a verdict, then `run`.

    Evidence is judged here once more, since Holm's adjustment needs all transfers and adaptations of the run. Controls
    stand apart: they are judged by their own p, and are not counted in the adjustment.

    Args:
        verdicts, metrics: the content of verdict.json and metrics.json of every name in `cells(params)`.
        cards: of every source, for what it cost. forecasts: the content of forecast.json of every transfer.
    """
    controls, last = controls_of(params), {name: last_verdict(verdict) for name, verdict in verdicts.items()}
    judged = last | with_holm({name: verdict for name, verdict in last.items() if name not in controls})
    failed = failures({name: (control, judged[name]) for name, control in controls.items()})
    equal = {name: Verdict.from_dict(verdicts[name]["equal_compute"]) for name in params.transfers}
    # controls apart as above: their number must not soften or sharpen the others' evidence
    equal |= with_holm({name: verdict for name, verdict in equal.items() if name not in controls})
    result: dict[str, Any] = {}
    for name in cells(params):
        entry = _judged(judged[name], verdicts[name], metrics[name])
        entry |= _particulars(name, verdicts[name], cards, params, equal.get(name))
        if "attribution" in verdicts[name]:
            entry["third_reading"] = _third_reading(verdicts[name]["attribution"])
        if name in forecasts:
            entry["forecast"] = scored(forecasts[name], judged[name])
        if name in controls:
            entry |= {"control": controls[name], "held": held(controls[name], judged[name])}
        if failed:
            entry["controls"] = "failed"
        result[name] = entry
    result["run"] = {
        "metric": params.verdict.metric,
        "protocol": params.run.protocol,
        "folds": params.run.folds,
        "image_size": params.run.image_size,
        "controls": ("failed" if failed else "held") if controls else None,  # null: this run has none
        "failed_controls": failed,
        "forecasts": {
            "transfers": score_of(result, [name for name in params.transfers if name not in controls]),
            "controls": score_of(result, [name for name in params.transfers if name in controls]),
        },
    }
    return result


def headlines(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The content of reports/verdicts.json: of metrics.json, what `dvc metrics diff` can show on one screen.

    Label, evidence and gain of everything that has a verdict, `saved` where it is defined, and how the controls stand.
    """
    entries = {name: entry for name, entry in metrics.items() if name not in RESERVED}
    saved = {name: entry["compute"].get("saved") for name, entry in entries.items()}
    result: dict[str, Any] = {
        name: {key: entry[key] for key in ("label", "evidence", "gain")}
        | ({} if saved[name] is None else {"saved": saved[name]})
        for name, entry in entries.items()
    }
    return result | {"run": {"controls": metrics["run"]["controls"]}}


def last_verdict(file: Mapping[str, Any]) -> Verdict:
    """The transfer's own verdict: that of its last arm."""
    return Verdict.from_dict(file["verdicts"][file["arm"]])


def _judged(verdict: Verdict, file: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What every entry has."""
    return {
        "arm": file["arm"],
        "against": file["against"],
        "label": verdict.label,
        "evidence": verdict.evidence,
        "gain": verdict.gain,
        "ci_low": verdict.ci_low,
        "ci_high": verdict.ci_high,
        "p": verdict.p,
        "p_holm": verdict.p_holm,
        "p_equivalence": verdict.p_equivalence,
        "probability_of_improvement": verdict.probability_of_improvement,
        "smallest_detectable_gain": verdict.smallest_detectable_gain,
        "detectable_alone": verdict.detectable_alone,
        "images_needed": verdict.images_needed,
        "folds_needed": verdict.folds_needed,
        "reasons": list(verdict.reasons),
        "arms": metrics,
    }


def _particulars(
    name: str,
    file: Mapping[str, Any],
    cards: Files,
    params: Params,
    equal: Verdict | None,
) -> dict[str, Any]:
    """What entries of its kind have."""
    if name in params.nulls:
        null = params.nulls[name]
        return {
            "kind": REPEAT,
            "target": null.target,
            "baseline": null.baseline,
            "again": null.again,
            "baseline_stopped_improving": all(file["stopped_improving"]["scratch"]),
            "compute": {**file["compute"], **_nothing_saved(REPEAT)},
        }
    if name in params.adaptations:
        adaptation = params.adaptations[name]
        return {
            "kind": ADAPTATION,
            "setting": "transductive",
            "source": adaptation.source,
            "target": adaptation.target,
            "methods": file["methods"],
            "candidates": file["candidates"],
            "ceiling": _ceiling(file),
            "compute": {
                **file["compute"],
                **one_off(adaptation.source, cards, params),
                **_nothing_saved(ADAPTATION),
            },
        }
    transfer = params.transfers[name]
    return {
        "kind": TRANSFER,
        "setting": transfer.setting,
        "source": transfer.source,
        "target": transfer.target,
        "baseline": transfer.baseline,
        "equal_compute": {key: getattr(equal, key) for key in EQUAL},
        "baseline_stopped_improving": all(file["stopped_improving"]["scratch"]),
        "compute": amortised(file["compute"], one_off(transfer.source, cards, params)),
        "cost_to_equal_quality": file["cost_to_equal_quality"],
    }


def _nothing_saved(kind: str) -> dict[str, Any]:
    return {"saved": None, "saved_reason": NO_SAVING[kind]}


def scored(forecast: Mapping[str, Any], verdict: Verdict) -> dict[str, Any]:
    """A forecast with whether the verdict proved it right; None where one of the two has no label."""
    known = forecast["label"] is not None and verdict.label is not None
    return {
        **{key: forecast[key] for key in ("label", "positive_votes", "votes", "gflops")},
        "right": forecast["label"] == verdict.label if known else None,
    }


def score_of(entries: Mapping[str, Any], names: list[str]) -> dict[str, int]:
    """How many of these transfers' forecasts were right, `of` those that can be told."""
    told = [entries[name]["forecast"]["right"] for name in names]
    return {"right": told.count(True), "of": len(told) - told.count(None)}


def _third_reading(attribution: Mapping[str, Any]) -> dict[str, Any]:
    """How much of the gain is the scale of the weights, and how much features."""
    parts = ("scaling", "features")
    return {
        "rescaled": attribution["rescaled"],
        **{part: {key: attribution[part][key] for key in ("gain", "ci_low", "ci_high")} for part in parts},
        **{f"{part}_share": attribution[f"{part}_share"] for part in parts},
    }


def _ceiling(file: Mapping[str, Any]) -> dict[str, Any]:
    """What a linear probe gained with the target's labels, and the share of it that was reached without them.

    The share is None where there was nothing to reach: labels did not help either, or a gain is undefined. It may be
    above 1, since the probe is not the best that could be done with the labels.
    """
    gain, most = file["verdicts"][file["arm"]]["gain"], file["verdicts"][file["ceiling"]]
    known = gain is not None and most["gain"] is not None and most["gain"] > 0
    return {
        "arm": file["ceiling"],
        **{key: most[key] for key in ("gain", "ci_low", "ci_high")},
        "reached": gain / most["gain"] if known else None,
    }


def one_off(source: str, cards: Files, params: Params) -> dict[str, Any]:
    """What was paid once for a source, and the share of it that falls on each that uses it.

    Both are sums over the links of its chain; what the weights at the beginning took may be unknown, and then is not
    in them: `pretraining_reason` says why, and where nothing else was paid they are None. `pretraining_shared_by`
    counts the transfers (controls too) and adaptations of this run that begin with the source. What the source itself
    had begun from is shared by more: each link of the chain is divided by its own users.
    """
    used = [entry.source for entry in params.transfers.values()]
    used += [entry.source for entry in params.adaptations.values()]
    users = Counter(link for name in used for link in _chain(name, params))
    costs = {link: cards[link]["cost"] for link in _chain(source, params)}
    known = {link: cost for link, cost in costs.items() if cost["gflops"] is not None}
    paid = {
        "pretraining_gflops": sum(cost["gflops"] for cost in known.values()),
        "pretraining_backward_gflops": sum(cost["backward_gflops"] for cost in known.values()),
        "pretraining_share_gflops": sum(cost["gflops"] / users[link] for link, cost in known.items()),
        "pretraining_images_seen": sum(cost["images_seen"] for cost in known.values()),
    }
    return {
        **(paid if known else dict.fromkeys(paid)),
        "pretraining_shared_by": used.count(source),
        "pretraining_reason": costs[source]["reason"],
    }


def _chain(source: str, params: Params) -> list[str]:
    """A source and those that it began from, back to weights that were there."""
    chain = [source]
    while chain[-1] in params.pretrained:
        chain.append(params.pretrained[chain[-1]].init)
    return chain


def amortised(spent: Mapping[str, Any], once: Mapping[str, Any]) -> dict[str, Any]:
    """A transfer's spending with its share of what was paid once, and what it then still saves.

    Both are None where part of what was paid once is unknown; `pretraining_reason` says why.
    """
    gflops = saved = None
    if once["pretraining_reason"] is None:
        gflops = spent["transfer_gflops"] + once["pretraining_share_gflops"]
        saved = 1 - gflops / spent["scratch_gflops"]
    return {**spent, **once, "amortised_gflops": gflops, "saved_amortised": saved}
