"""From the questions' results, each judged by itself, to the results of a run."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from pipeline.config.params import Params
from pipeline.results.result import Compute, Forecast, Pretraining, Reading, Result, details_of, reading_fields
from pipeline.results.run import RUN, Run, RunFacts, Score
from pipeline.verdict.controls import failures, held
from pipeline.verdict.decision import Verdict, with_holm

Results = Mapping[str, Result]
Files = Mapping[str, Mapping[str, Any]]
Group = Literal["transfers", "adaptations", "controls", "parts"]
ORDER: tuple[Group, ...] = ("transfers", "adaptations", "controls")


def summarise(results: Results, forecasts: Files, cards: Files, params: Params) -> Run:
    """All results of a run, without its studies.

    Args:
        results: of every question in params, as evaluate wrote them. forecasts: of every transfer that a question asks
            about. cards: of every source.
    """
    results = {name: with_pretraining(result, cards, params) for name, result in adjusted(results).items()}
    results = {name: with_forecast(result, _forecast(name, forecasts, params)) for name, result in results.items()}
    results = {name: with_share(result, results) for name, result in results.items()}
    results, failed = with_controls(results)
    controls = [name for name, result in results.items() if result.control]
    facts = RunFacts(
        metric=params.verdict.metric,
        alpha=params.verdict.alpha,
        margin=params.verdict.margin,
        protocol=params.run.protocol,
        folds=params.run.folds,
        image_size=params.run.image_size,
        controls=("failed" if failed else "held") if controls else None,
        failed_controls=failed,
        forecasts={
            "transfers": score([result for result in results.values() if not result.control]),
            "controls": score([result for result in results.values() if result.control]),
        },
    )
    return Run(facts=facts, results=results, studies={})


def headlines(run: Run) -> dict[str, Any]:
    """The content of verdicts.json: what `dvc metrics diff` can show on one screen.

    Label, evidence and gain of every question, `saved` where it is defined, and the state of the controls.
    """
    content: dict[str, Any] = {}
    for name, result in run.results.items():
        content[name] = {"label": result.label, "evidence": result.evidence, "gain": result.gain}
        if result.compute.saved is not None:
            content[name]["saved"] = result.compute.saved
    return content | {RUN: {"controls": run.facts.controls}}


def group_of(result: Result) -> Group:
    """Where a report shows a question."""
    if result.control:
        return "controls"
    if result.part_of:
        return "parts"
    return "adaptations" if result.kind == "adaptation" else "transfers"


def in_order(run: Run) -> dict[str, Result]:
    """All questions but parts of others: transfers, adaptations, then controls."""
    results = run.results.items()
    return {name: result for group in ORDER for name, result in results if group_of(result) == group}


# ---- evidence --------------------------------------------------------------------------------------------------------


def adjusted(results: Results) -> dict[str, Result]:
    """Judge the evidence by p-values that are adjusted for the number of questions (Holm).

    Controls and parts of other questions are outside the adjustment: they are judged by their own p, and must neither
    soften nor sharpen the others' evidence. Readings at equal compute are a family of their own.
    """
    family = [name for name, result in results.items() if result.control is None and result.part_of is None]
    judged = {name: details_of(result).verdicts[result.arm] for name, result in results.items()}
    equal = {
        name: verdict for name, result in results.items() if (verdict := details_of(result).equal_compute) is not None
    }
    judged |= with_holm({name: judged[name] for name in family})
    equal |= with_holm({name: equal[name] for name in family if name in equal})
    return {name: _with_verdicts(result, judged[name], equal.get(name)) for name, result in results.items()}


def _with_verdicts(result: Result, verdict: Verdict, equal: Verdict | None) -> Result:
    details = details_of(result)
    verdicts = {**details.verdicts, result.arm: verdict}
    return result.model_copy(
        update={
            **reading_fields(verdict),
            "equal_compute": None if equal is None else Reading(**reading_fields(equal)),
            "details": details.model_copy(update={"verdicts": verdicts, "equal_compute": equal}),
        }
    )


def with_controls(results: Results) -> tuple[dict[str, Result], list[str]]:
    """Mark every control as held or not and, where one failed, every result; give the names of those that failed."""
    judged = {
        name: (result.control, details_of(result).verdicts[result.arm])
        for name, result in results.items()
        if result.control
    }
    failed, marked = failures(judged), dict(results)
    for name, (control, verdict) in judged.items():
        marked[name] = marked[name].model_copy(update={"held": held(control, verdict)})
    if failed:
        marked = {name: result.model_copy(update={"controls": "failed"}) for name, result in marked.items()}
    return marked, failed


def with_share(result: Result, results: Results) -> Result:
    """Add the share of the gain of the question that this one is part of."""
    if result.part_of is None:
        return result
    return result.model_copy(update={"share": share_of_gain(result.gain, results[result.part_of].gain)})


def share_of_gain(part: float | None, whole: float | None) -> float | None:
    """The share of a gain that one of its parts is.

    It may lie outside 0..1 where one of the parts does harm; None where a gain is undefined, or the whole is not above
    zero and so cannot be divided.
    """
    return part / whole if part is not None and whole is not None and whole > 0 else None


# ---- forecasts -------------------------------------------------------------------------------------------------------


def forecast_transfer(name: str, params: Params) -> str | None:
    """The transfer whose forecast a question checks: a transfer against training from scratch; else None."""
    question = params.questions[name]
    kind, transfer = question.arm.split("/")
    asked = kind == "transfers" and question.against.startswith("baselines/") and question.part_of is None
    return transfer if asked else None


def _forecast(name: str, forecasts: Files, params: Params) -> Mapping[str, Any] | None:
    transfer = forecast_transfer(name, params)
    return None if transfer is None else forecasts[transfer]


def with_forecast(result: Result, content: Mapping[str, Any] | None) -> Result:
    """Add a forecast, the content of forecast.json, and whether the verdict has its label."""
    if content is None:
        return result
    checkable = content["label"] is not None and result.label is not None
    correct = content["label"] == result.label if checkable else None
    fields = {key: content[key] for key in ("label", "positive_votes", "votes", "gflops")}
    return result.model_copy(update={"forecast": Forecast(**fields, correct=correct)})


def score(results: list[Result]) -> Score:
    """Count the correct forecasts, of those that can be checked."""
    outcomes = [result.forecast.correct for result in results if result.forecast is not None]
    return Score(correct=outcomes.count(True), of=len(outcomes) - outcomes.count(None))


# ---- compute ---------------------------------------------------------------------------------------------------------


def with_pretraining(result: Result, cards: Files, params: Params) -> Result:
    """Add what making the source took, and the compute saved with this question's share of it."""
    if result.source is None:
        return result
    paid = pretraining(result.source, cards, params)
    return result.model_copy(update={"compute": amortised(result.compute, paid)})


def pretraining(source: str, cards: Files, params: Params) -> Pretraining:
    """What making a source took, and the share of it of each transfer and adaptation of this run that begins with it.

    Both are sums over the links of its chain; each link is divided by its own users, controls too. What the weights at
    the beginning took may be unknown and then is not in the sums; where nothing is known they are None.
    """
    used = [entry.source for entry in params.transfers.values()]
    used += [entry.source for entry in params.adaptations.values()]
    users = Counter(link for name in used for link in _chain(name, params))
    costs = {link: cards[link]["cost"] for link in _chain(source, params)}
    known = {link: cost for link, cost in costs.items() if cost["gflops"] is not None}
    sums = {key: sum(cost[key] for cost in known.values()) for key in ("gflops", "backward_gflops", "images_seen")}
    sums["share_gflops"] = sum(cost["gflops"] / users[link] for link, cost in known.items())
    return Pretraining(
        **(sums if known else dict.fromkeys(sums)), shared_by=used.count(source), reason=costs[source]["reason"]
    )


def _chain(source: str, params: Params) -> list[str]:
    """A source and those that it began from, back to weights that were there."""
    chain = [source]
    while chain[-1] in params.pretrained:
        chain.append(params.pretrained[chain[-1]].init)
    return chain


def amortised(compute: Compute, once: Pretraining) -> Compute:
    """Compute with pretraining, and what is saved with a share of it; None where part of its cost is unknown."""
    gflops = saved = None
    if once.reason is None and compute.transfer_gflops is not None and once.share_gflops is not None:
        gflops = compute.transfer_gflops + once.share_gflops
        saved = None if compute.scratch_gflops is None else 1 - gflops / compute.scratch_gflops
    return compute.model_copy(update={"pretraining": once, "amortised_gflops": gflops, "saved_amortised": saved})
