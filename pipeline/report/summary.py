"""The run's results, from those of its questions: evidence adjusted (Holm), controls, forecasts and compute."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pipeline.config.params import Params
from pipeline.results.result import Compute, Forecast, Pretraining, Reading, Result, details_of, reading_fields
from pipeline.results.run import RUN, Run, RunFacts, Score
from pipeline.verdict.controls import failures, held
from pipeline.verdict.decision import Verdict, with_holm
from pipeline.verdict.looks import nominal_level

Results = Mapping[str, Result]
Files = Mapping[str, Mapping[str, Any]]
Group = Literal["transfers", "adaptations", "controls", "parts"]
ORDER: tuple[Group, ...] = ("transfers", "adaptations", "controls")


def summarise(results: Results, forecasts: Files, cards: Files, params: Params) -> Run:
    """All results of a run, without its studies.

    Args:
        results: of every question in params, as evaluate wrote them. forecasts: question -> the content of
            forecast.json, where the question checks one. cards: of every source.
    """
    results = dict(adjusted(results))
    for name, result in results.items():
        updates: dict[str, Any] = {}
        if result.source is not None:
            updates["compute"] = amortised(result.compute, pretraining(result.source, cards, params), result.repeats)
        if result.part_of is not None:
            updates["share"] = share_of_gain(result.gain, results[result.part_of].gain)
        if name in forecasts:
            updates["forecast"] = checked(forecasts[name], result.label)
        results[name] = result.model_copy(update=updates)
    results, failed = with_controls(results)
    facts = RunFacts(
        **params.verdict.model_dump(include={"metric", "alpha", "margin", "looks"}),
        **params.run.model_dump(include={"protocol", "folds", "repeats", "image_size"}),
        level=nominal_level(params.verdict.alpha, params.verdict.looks),
        controls=("failed" if failed else "held") if any(result.control for result in results.values()) else None,
        failed_controls=failed,
        forecasts=scores(results.values()),
    )
    return Run(facts=facts, results=results, studies={})


def headlines(run: Run) -> dict[str, Any]:
    """The content of verdicts.json, small enough for one screen of `dvc metrics diff`.

    Label, evidence and gain of every question, `saved` where it is defined, and the state of the controls.
    """
    content: dict[str, Any] = {}
    for name, result in run.results.items():
        content[name] = {"label": result.label, "evidence": result.evidence, "gain": result.gain}
        if result.compute.saved is not None:
            content[name]["saved"] = result.compute.saved
    return content | {RUN: {"controls": run.facts.controls}}


def group_of(result: Result) -> Group:
    """The part of the report that lists a question."""
    if result.control:
        return "controls"
    if result.part_of:
        return "parts"
    return "adaptations" if result.kind == "adaptation" else "transfers"


def group(run: Run, wanted: Group) -> dict[str, Result]:
    """The questions of one group, in the order of params."""
    return {name: result for name, result in run.results.items() if group_of(result) == wanted}


def questions(run: Run) -> dict[str, Result]:
    """The questions themselves, neither controls nor parts of others: transfers, then adaptations."""
    return {name: result for name, result in in_order(run).items() if not result.control}


def conclusive(results: Results) -> list[str]:
    """The names of those with conclusive evidence."""
    return [name for name, result in results.items() if result.evidence == "conclusive"]


def in_order(run: Run) -> dict[str, Result]:
    """All questions but parts of others: transfers, adaptations, then controls."""
    return {name: result for each in ORDER for name, result in group(run, each).items()}


# ---- evidence --------------------------------------------------------------------------------------------------------


def adjusted(results: Results) -> dict[str, Result]:
    """Judge the evidence by p-values that are adjusted for the number of questions (Holm).

    Controls and parts of other questions are judged by their own p and do not count in the family. Readings at equal
    compute are a family of their own.
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
    """Mark every control as held or not and, where one failed, every result; also returns the names that failed."""
    judged = {
        name: (result.control, details_of(result).verdicts[result.arm])
        for name, result in results.items()
        if result.control
    }
    failed = failures(judged)
    updates: dict[str, dict[str, Any]] = {name: {"controls": "failed"} if failed else {} for name in results}
    for name, (control, verdict) in judged.items():
        updates[name]["held"] = held(control, verdict)
    return {name: result.model_copy(update=updates[name]) for name, result in results.items()}, failed


def share_of_gain(part: float | None, whole: float | None) -> float | None:
    """A part of a gain as a share of the whole; outside 0..1 where a part does harm.

    None where a gain is undefined, or the whole is not above zero and so cannot be divided.
    """
    return part / whole if part is not None and whole is not None and whole > 0 else None


# ---- forecasts -------------------------------------------------------------------------------------------------------


def forecast_transfer(name: str, params: Params) -> str | None:
    """The transfer whose forecast a question checks: a transfer against training from scratch; else None."""
    question = params.questions[name]
    kind, transfer = question.arm.split("/")
    asked = kind == "transfers" and question.against.startswith("baselines/") and question.part_of is None
    return transfer if asked else None


def checked(forecast: Mapping[str, Any], label: str | None) -> Forecast:
    """A forecast (the content of forecast.json), and whether it has the verdict's label; None if either has none."""
    correct = None if forecast["label"] is None or label is None else forecast["label"] == label
    fields = {key: forecast[key] for key in ("label", "positive_votes", "votes", "gflops")}
    return Forecast(**fields, correct=correct)


def scores(results: Iterable[Result]) -> dict[str, Score]:
    """The score of the forecasts of transfers, and of controls."""
    found = list(results)
    return {
        "transfers": score([result for result in found if not result.control]),
        "controls": score([result for result in found if result.control]),
    }


def score(results: list[Result]) -> Score:
    """Count the correct forecasts, of those that can be checked."""
    outcomes = [result.forecast.correct for result in results if result.forecast is not None]
    return Score(correct=outcomes.count(True), of=len(outcomes) - outcomes.count(None))


# ---- compute ---------------------------------------------------------------------------------------------------------


def pretraining(source: str, cards: Files, params: Params) -> Pretraining:
    """The cost of pretraining a source, and the share of it that each of its users in this run carries.

    Both are sums over the source and those that it was initialised from; each of these is divided by its own users
    (transfers and adaptations, controls too). An unknown cost is left out of the sums; all unknown: they are None.
    """
    used = [entry.source for entry in params.transfers.values()]
    used += [entry.source for entry in params.adaptations.values()]
    users = Counter(link for name in used for link in params.chain_of(name))
    costs = {link: cards[link]["cost"] for link in params.chain_of(source)}
    known = {link: cost for link, cost in costs.items() if cost["gflops"] is not None}
    sums = {key: sum(cost[key] for cost in known.values()) for key in ("gflops", "backward_gflops", "images_seen")}
    sums["share_gflops"] = sum(cost["gflops"] / users[link] for link, cost in known.items())
    return Pretraining(
        **(sums if known else dict.fromkeys(sums)), shared_by=used.count(source), reason=costs[source]["reason"]
    )


def amortised(compute: Compute, once: Pretraining, repeats: int) -> Compute:
    """Compute with pretraining, and what is saved with a share of it; None where part of the cost is unknown.

    Other counts are sums over the repeats, each priced as if it were the only one; so the share is counted in each.
    """
    gflops = saved = None
    if once.reason is None and compute.transfer_gflops is not None and once.share_gflops is not None:
        gflops = compute.transfer_gflops + repeats * once.share_gflops
        saved = None if compute.scratch_gflops is None else 1 - gflops / compute.scratch_gflops
    return compute.model_copy(update={"pretraining": once, "amortised_gflops": gflops, "saved_amortised": saved})
