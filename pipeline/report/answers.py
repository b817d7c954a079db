"""The answer to a question in a sentence: what to do, and how sure that is."""

from collections.abc import Mapping
from typing import Literal

from pipeline.report.content import Tone
from pipeline.report.language import say
from pipeline.report.words import evidence_of, interval, metric_name, saving, spaced
from pipeline.results.result import Interval, Result
from pipeline.results.run import RunFacts

Outcome = Literal["undefined", "untrusted", "use", "beaten", "only_here", "dont", "needless", "equal", "open"]
TONES: dict[Outcome, Tone] = {"use": "positive", "only_here": "positive", "dont": "negative", "beaten": "negative",
                              "needless": "equal", "equal": "equal"}  # fmt: skip


def outcome(result: Result, facts: RunFacts) -> Outcome:
    """What a result says to somebody who has to decide.

    use: a conclusive gain, also over the best baseline where there are several. beaten: another baseline is
    conclusively better. only_here: whether another baseline is as good is not decided. dont: a conclusive loss.
    needless: an adaptation whose interval rules out a gain beyond the margin; it saves no compute either.
    """
    if result.gain is None:
        return "undefined"
    if result.controls == "failed":
        return "untrusted"
    if result.evidence != "conclusive":
        if result.kind == "adaptation" and no_gain(result, facts):
            return "needless"
        return "equal" if result.evidence == "equivalent" else "open"
    if result.label == "negative":
        return "dont"
    if outdone(result):
        return "beaten"
    return "use" if result.advice is None or result.advice.evidence == "conclusive" else "only_here"


def outdone(result: Result) -> bool:
    """Whether another baseline of the target is conclusively better, whatever the answer to the question itself."""
    return result.advice is not None and (result.advice.evidence, result.advice.label) == ("conclusive", "negative")


def no_gain(reading: Interval, facts: RunFacts) -> bool:
    """Whether the interval rules out a gain beyond the margin."""
    return reading.ci_high is not None and reading.ci_high < facts.margin


def frozen(result: Result) -> bool:
    """Whether a transfer was tried with frozen features alone."""
    return result.kind == "transfer" and "tuned" not in result.arms


def tone(result: Result, facts: RunFacts) -> Tone:
    """The colour of an answer; what is not conclusive has that of open questions."""
    return TONES.get(outcome(result, facts), "open")


def gain_tone(result: Result, facts: RunFacts) -> Tone:
    """The colour of the gain itself, which is one also where another network is better still."""
    return "positive" if outcome(result, facts) == "beaten" else tone(result, facts)


def badge(result: Result, facts: RunFacts) -> str:
    """Label and evidence in words."""
    if result.gain is None or result.label is None:
        return say("no verdict")
    if result.controls == "failed":
        return say("not to be trusted")
    if result.evidence == "conclusive":
        said = f"{spaced(result.label)}, {evidence_of(result)}"
        return say("{said}, but another network is better", said=said) if outcome(result, facts) == "beaten" else said
    if result.evidence == "equivalent":
        return say("no difference in practice (equivalent)")
    if outcome(result, facts) == "needless":
        return say("no gain beyond the margin (inconclusive)")
    return say("not decided (inconclusive)")


def answer(result: Result, facts: RunFacts) -> str:
    """The answer; `deciding.plan` adds what would decide an open question."""
    found = outcome(result, facts)
    said = ANSWERS[found](result, facts)
    if frozen(result) and found in ("dont", "beaten", "equal", "open"):
        return f"{said} {say('Fine-tuning was not tried.')}"
    return said


def figures(result: Result, facts: RunFacts) -> str:
    """The gain with its metric and interval, in words: +0.091 balanced accuracy [+0.033, +0.149]."""
    gain, _, bounds = interval(result).partition(" ")
    return say("{gain} {metric} {bounds}", gain=gain, metric=metric_name(facts.metric), bounds=bounds).strip()


def subject(result: Result) -> str:
    """What is used where the answer is yes."""
    if result.kind == "transfer":
        return say("the weights of {source}", source=result.source)
    if result.kind == "adaptation":
        return say("{source} adapted without labels", source=result.source)
    return spaced(result.arm)


def _undefined(result: Result, facts: RunFacts) -> str:
    return say("No verdict: the gain is undefined.")


def _untrusted(result: Result, facts: RunFacts) -> str:
    return say("Not to be trusted: controls of this run failed. Found: {figures}.", figures=figures(result, facts))


def _use(result: Result, facts: RunFacts) -> str:
    values = {"subject": subject(result), "figures": figures(result, facts)}
    if result.compute.saved is None:
        return say("Use {subject}: {figures}.", **values)
    return say("Use {subject}: {figures}, {saving}.", **values, saving=saving(result.compute.saved))


def _beaten(result: Result, facts: RunFacts) -> str:
    return say(
        "Don't: another network trained from scratch does better. Over {against} the gain is {figures}.",
        against=result.baseline or spaced(result.against),
        figures=figures(result, facts),
    )


def _only_here(result: Result, facts: RunFacts) -> str:
    return say(
        "Use {subject} if the network has to be this one: {figures}. Whether another network trained from scratch is "
        "as good is not decided.",
        subject=subject(result),
        figures=figures(result, facts),
    )


def _dont(result: Result, facts: RunFacts) -> str:
    values = {"figures": figures(result, facts)}
    if result.kind == "adaptation":
        return say("Don't: {figures}. The unadapted source is better.", **values)
    return say("Don't: {figures}. Training from scratch is better.", **values)


def _needless(result: Result, facts: RunFacts) -> str:
    values = {"figures": figures(result, facts), "margin": f"{facts.margin:g}"}
    return say("Do not adapt: {figures}; a gain of more than {margin} is ruled out.", **values)


def _equal(result: Result, facts: RunFacts) -> str:
    values = {"figures": figures(result, facts), "margin": f"{facts.margin:g}"}
    if result.compute.saved is None:
        return say("It makes no difference: {figures}, within {margin} either way.", **values)
    return say(
        "It makes no difference: {figures}, within {margin} either way. The transfer takes {saving}.",
        **values,
        saving=saving(result.compute.saved),
    )


def _open(result: Result, facts: RunFacts) -> str:
    values = {"figures": figures(result, facts)}
    if result.smallest_detectable_gain is None:
        return say("Not decided: so far {figures}.", **values)
    return say(
        "Not decided: so far {figures}; this run could detect gains of {size}.",
        **values,
        size=f"{result.smallest_detectable_gain:.2f}",
    )


ANSWERS = {
    "undefined": _undefined,
    "untrusted": _untrusted,
    "use": _use,
    "beaten": _beaten,
    "only_here": _only_here,
    "dont": _dont,
    "needless": _needless,
    "equal": _equal,
    "open": _open,
}


# ---- what an interval alone hides ------------------------------------------------------------------------------------


def why_open(result: Result, facts: RunFacts, family: int) -> list[str]:
    """What a reader of the interval alone would get wrong: it leaves 0 out, or it rules a loss out.

    Args:
        family: number of questions that the evidence is adjusted for.
    """
    if outcome(result, facts) != "open":
        return []
    found = []
    clear = result.ci_low is not None and result.ci_high is not None and result.ci_low * result.ci_high > 0
    if clear and family > 1:
        found.append(
            say(
                "Its interval leaves 0 out, but it is one of {family} questions: among so many that happens by chance "
                "too often (p {p} after Holm's adjustment).",
                family=family,
                p=f"{result.p_holm:.2g}" if result.p_holm is not None else "-",
            )
        )
    margin = f"{facts.margin:g}"
    if result.not_worse:
        found.append(say("A loss of more than {margin} is ruled out.", margin=margin))
    if no_gain(result, facts):
        found.append(say("A gain of more than {margin} is ruled out.", margin=margin))
    return found


def family_size(results: Mapping[str, Result]) -> int:
    """Number of questions that evidence is adjusted for."""
    return sum(result.p_holm is not None for result in results.values() if not result.control and not result.part_of)
