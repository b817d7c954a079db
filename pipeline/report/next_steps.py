"""What to do next about a question, with the command that does it."""

from collections.abc import Mapping

from pipeline.report.answers import Outcome, frozen, outcome, outdone
from pipeline.report.content import Step
from pipeline.report.deciding import decider
from pipeline.report.language import say
from pipeline.results.result import Result
from pipeline.results.run import Run

REPRODUCE = "python -m pipeline repro"
PREDICT = "python -m pipeline predict {asked} new-images --out new.csv"


def next_steps(name: str, run: Run) -> list[Step]:
    """What to do, the most urgent first."""
    result, found = run.results[name], outcome(run.results[name], run.facts)
    if found == "undefined":
        return [Step(say("See its reasons in the details below; the images or the metric have to change."))]
    if found == "untrusted":
        return [Step(say("Find out why the controls failed (below) before you rely on any answer."))]
    steps = [_longer_baseline(result), *_decide(name, result, run, found), _fine_tune(name, result, found)]
    return [*(step for step in steps if step), _predict(name, result, run, found)]


def _longer_baseline(result: Result) -> Step | None:
    if result.baseline_stopped_improving is not False or result.label != "positive":
        return None
    text = say(
        "Training from scratch was cut short, which may make the gain too large: raise scratch.epochs and "
        "scratch.patience in params.yaml, then"
    )
    return Step(text, REPRODUCE)


def _decide(name: str, result: Result, run: Run, found: Outcome) -> list[Step]:
    """How to decide an open question."""
    by = decider(result)
    if found != "open" or by == "nothing":
        return []
    if any(look > result.repeats for look in run.facts.looks):
        return [Step(say("Take the next planned look:"), f"python -m pipeline more\n{REPRODUCE}")]
    if by == "repeats":
        text = say(
            "To decide it, put repeats: {repeats} into questions.{name} of params.yaml and run what is new. The report "
            "will say that this look was not planned; in a new project plan looks before the run (verdict.looks).",
            repeats=result.repeats_needed,
            name=name,
        )
        return [Step(text, REPRODUCE)]
    if by == "groups":
        text = say("To decide it, add images until there are {groups} groups, then", groups=f"{result.groups_needed:,}")
        return [Step(text, REPRODUCE)]
    return []


def _fine_tune(name: str, result: Result, found: Outcome) -> Step | None:
    """Frozen features lost: the layers above them may not."""
    if not frozen(result) or found not in ("dont", "beaten"):
        return None
    text = say(
        "Only frozen features were tried (unfreeze: 0). To try fine-tuning, set unfreeze of the transfer that "
        "questions.{name} names in params.yaml to 1 or more blocks, then",
        name=name,
    )
    return Step(text, REPRODUCE)


def _predict(name: str, result: Result, run: Run, found: Outcome) -> Step:
    if result.kind == "adaptation":
        return _other_network(result.target, run.results)
    if result.advice is not None and outdone(result):
        text = say("Predict new images by the best network from scratch:")
        return Step(text, PREDICT.format(asked=f"baselines/{result.advice.best}"))
    return Step(_predict_words(result, found), PREDICT.format(asked=name))


def _predict_words(result: Result, found: Outcome) -> str:
    if found == "dont":
        return say("Predict new images by the networks from scratch, which this command takes:")
    if found in ("use", "only_here"):
        return say("Predict new images by these networks:")
    better = say("those from scratch") if result.label == "negative" else say("those of the transfer")
    if found == "open" and decider(result) == "nothing":
        return say("No run of practical size decides it: predict new images by the better estimate, {better}:",
                   better=better)  # fmt: skip
    if found == "equal":
        return say("Predict new images by either; this command takes {better}:", better=better)
    return say("Until it is decided, predict new images by the better estimate, {better}:", better=better)


def _other_network(target: str, results: Mapping[str, Result]) -> Step:
    """A network with the target's labels, where those of the question are not kept for predictions."""
    asked = {
        name: result
        for name, result in results.items()
        if result.kind == "transfer" and result.target == target and not (result.control or result.part_of)
    }
    if asked:
        text = say(
            "Networks of an adaptation are not kept. With labels of {target}, predict new images by:", target=target
        )
        return Step(text, PREDICT.format(asked=next(iter(asked))))
    trained = [result.baseline for result in results.values() if result.target == target and result.baseline]
    if trained:
        text = say(
            "Networks of an adaptation are not kept. Predict new images by a network from scratch on {target}:",
            target=target,
        )
        return Step(text, PREDICT.format(asked=f"baselines/{trained[0]}"))
    return Step(
        say(
            "Networks of an adaptation are not kept: to predict, add a transfer to {target} to params.yaml.",
            target=target,
        )
    )
