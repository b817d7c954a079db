"""Which arm predicts new images: the one that the verdict of a question recommends."""

from dataclasses import dataclass

from pipeline.config.params import Params
from pipeline.config.schema import Question
from pipeline.prediction.members import KEPT, Member, check_judged, members_of, out_of_fold
from pipeline.results.result import Result, read_result
from pipeline.results.run import Run
from pipeline.store.errors import InputError
from pipeline.store.files import check_sealed, read_json
from pipeline.store.paths import Paths
from pipeline.store.words import nearest


@dataclass(frozen=True)
class Recommended:
    """The networks of an arm on a target.

    Attributes:
        reason: which arm it is and why, in one line. cautions: against relying on it, a line each.
        reference: section/NAME. question, result: that recommends the arm, as reported; None where the arm was named.
    """

    target: str
    members: list[Member]
    reason: str
    cautions: tuple[str, ...] = ()
    reference: str = ""
    question: str | None = None
    result: Result | None = None


def recommended(params: Params, paths: Paths, asked: str) -> Recommended:
    """The networks for a question, for the question about a transfer, or of the arm section/NAME itself.

    The side with the higher estimate is taken, conclusive or not: to use, both cost the same, so that nothing speaks
    against the better guess. Where the gain is undefined it is the judged arm.

    Raises:
        InputError: no such name, nothing trained or judged yet, or an arm whose networks are not kept.
    """
    section, _, entry = asked.partition("/")
    if section in KEPT and entry in params.at(section):
        arm, members = members_of(params, paths, asked)
        return Recommended(params.at(section)[entry].target, members, f"{asked} ({arm}), as asked", reference=asked)
    if section in ("adaptations", "unadapted") and entry in params.adaptations:
        raise InputError(_not_kept(params, asked))
    name = question_of(params, asked)
    question = params.questions[name]
    check_sealed(paths.question(name).folder)
    result = read_result(paths.question(name).result)
    lost = result.label == "negative"
    reference = question.against if lost else question.arm
    if reference.partition("/")[0] not in KEPT:
        raise InputError(f"Question '{name}' recommends {reference}. {_not_kept(params, reference)}")
    arm, members = members_of(params, paths, reference)
    check_judged(paths, name, result.against if lost else result.arm, out_of_fold(members))
    run = _report(paths)
    reported = run.results.get(name, result) if run else result
    result = reported if reported.gain == result.gain else result
    reason = f"{reference} ({arm}), {in_words(question, result)}"
    return Recommended(question.target, members, reason, cautions(run, name) if run else (), reference, name, result)


def in_words(question: Question, result: Result) -> str:
    """The verdict of a question as a clause about the recommended arm."""
    if result.gain is None:
        return f"whose gain over {question.against} is undefined"
    known = result.ci_low is not None and result.ci_high is not None
    interval = f" [{result.ci_low:+.3f}, {result.ci_high:+.3f}]" if known else ""
    gained, verdict = f"gained {result.gain:+.3f}{interval}", f"{result.label}, {result.evidence}"
    if result.label == "negative":
        return f"over which {question.arm} {gained}: {verdict}"
    return f"which {gained} over {question.against}: {verdict}"


def cautions(run: Run, name: str) -> tuple[str, ...]:
    """What a report says against relying on a question's verdict."""
    result, said = run.results.get(name), list[str]()
    if run.facts.controls == "failed":
        said.append(f"controls of this run failed ({', '.join(run.facts.failed_controls)}): do not trust its verdicts")
    if result and result.advice and result.advice.gain is not None and result.advice.label == "negative":
        lost, other = f"{result.advice.gain:+.3f}, {result.advice.evidence}", f"baselines/{result.advice.best}"
        said.append(f"another network from scratch does better (gain over it {lost}): try {other}")
    return tuple(said)


def _report(paths: Paths) -> Run | None:
    """The results as reported, with evidence after Holm's adjustment; None before there is a report."""
    return Run.from_metrics(read_json(paths.report_metrics)) if paths.report_metrics.is_file() else None


def question_of(params: Params, asked: str) -> str:
    """The question of this name, or the one about the transfer of this name.

    Raises:
        InputError: there is none, or several ask about the transfer.
    """
    if asked in params.questions:
        return asked
    about = {name: each for name, each in params.questions.items() if each.arm == f"transfers/{asked}"}
    main = [name for name, each in about.items() if not (each.control or each.part_of)] or list(about)
    if len(main) == 1:
        return main[0]
    if main:
        raise InputError(f"Several questions ask about transfer '{asked}': {', '.join(main)}. Name one of them.")
    arms = [f"{section}/{name}" for section in KEPT for name in params.at(section)]
    names = list(dict.fromkeys([*params.questions, *params.transfers]))
    raise InputError(
        f"params.yaml has no question, transfer or arm '{asked}'{nearest(asked, [*names, *arms])}.\n"
        f"  - questions and transfers: {', '.join(names)}\n  - arms: {', '.join(arms)}"
    )


def _not_kept(params: Params, reference: str) -> str:
    """What can be named in the place of an adaptation or its unadapted source, or made."""
    entry = params.adaptations[reference.partition("/")[2]]
    said = f"The networks of an adaptation are not kept, so {reference} cannot be used on new images. "
    arms = [(f"{kind}/{name}", each) for kind in KEPT for name, each in params.at(kind).items()]
    others = [arm for arm, each in arms if each.target == entry.target]
    if others:
        return f"{said}Name another arm on target '{entry.target}': {', '.join(others)}."
    return (
        f"{said}\nTarget '{entry.target}' has no other arm. Ask about a transfer, which learns from the target's "
        "labels: three entries of params.yaml, then\n`dvc repro evaluate@NAME`, and name NAME:\n"
        f"  - baselines: {{NAME: {{target: {entry.target}, architecture: ...}}}} with the architecture of the source\n"
        f"  - transfers: {{NAME: {{setting: inductive, source: {entry.source}, target: {entry.target}}}}}\n"
        f"  - questions: {{NAME: {{target: {entry.target}, arm: transfers/NAME, against: baselines/NAME}}}}"
    )
