"""The gate's findings as Markdown for a pull request: what is refused, a table before and after, the forest plot."""

from collections.abc import Sequence

from pipeline.commands.gate.changes import RULES, WHOLE_RUN, Change, quality, recommended, refused
from pipeline.report.render import markdown_escape
from pipeline.report.words import evidence_of, interval, level, metric_name, number, spaced
from pipeline.results.result import Result
from pipeline.results.run import Run

MARKER = "<!-- transfer-verdict gate -->"  # by which ci/comment.sh finds its earlier comment
NOTHING = "-"
DISTRUST = "Controls failed: no verdict of these results is to be trusted."
FOOTNOTE = (
    "A sign whose evidence is inconclusive is noise: no change of it is refused. A refused change that is meant can be "
    "merged all the same; its results are then those to hold."
)


def page(before: Run, after: Run, changes: Sequence[Change], names: tuple[str, str], plot: str | None) -> str:
    """The comment on a pull request.

    Args:
        names: of both sides, for the headings. plot: the address of the forest plot after the change, if there is one.
    """
    failed = refused(list(changes))
    told = [change for change in changes if change.rule is None]
    blocks = [
        MARKER,
        f"## {title(failed)}",
        f"Results of {_code(names[1])}, compared with those of {_code(names[0])}.",
        f"**{DISTRUST}**" if after.facts.controls == "failed" else "",
        _listed([_sentence(change) for change in failed]),
        _table(before, after, changes),
        _listed([_sentence(change) for change in told]),
        f"![Gain of every question, with its interval](<{plot}>)" if plot else "",
        FOOTNOTE,
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def title(failed: Sequence[Change]) -> str:
    """The outcome in one line."""
    count = len({change.question for change in failed})
    return f"Gate: {'passed' if not failed else '1 question refused' if count == 1 else f'{count} questions refused'}"


def _table(before: Run, after: Run, changes: Sequence[Change]) -> str:
    """A row for every question of either side: reading, gain with its interval, quality of the recommended arm."""
    metric = before.facts.metric
    header = ["question", "verdict before", "verdict after"]
    header += [
        f"gain {when} [{level(run.facts.level)} interval]" for when, run in (("before", before), ("after", after))
    ]
    header += [f"{metric_name(metric)} of the recommended arm", "gate"]
    lines = [header, ["---"] * len(header)]
    for name in [*before.results, *(name for name in after.results if name not in before.results)]:
        sides = before.results.get(name), after.results.get(name)
        cells = [name, *map(_verdict, sides), *map(_gain, sides)]
        cells.append(" → ".join(_quality(result, metric) for result in sides))
        lines.append([*map(markdown_escape, cells), _outcome(name, *sides, changes)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _verdict(result: Result | None) -> str:
    if result is None:
        return NOTHING
    control = {True: ", control held", False: ", control failed", None: ", control undecided"}
    return f"{evidence_of(result)} {result.label or ''}".strip() + (control[result.held] if result.control else "")


def _gain(result: Result | None) -> str:
    return NOTHING if result is None else interval(result)


def _quality(result: Result | None, metric: str) -> str:
    """The recommended arm and its quality; a dash for controls, which recommend nothing."""
    if result is None or result.control or (arm := recommended(result)) is None:
        return NOTHING
    return f"{spaced(arm)} {number(quality(result, metric))}"


def _outcome(name: str, old: Result | None, new: Result | None, changes: Sequence[Change]) -> str:
    rules = [change.rule for change in changes if change.question == name and change.rule]
    if rules:
        return f"**refused**: {', '.join(rules)}"
    return "added" if old is None else "removed" if new is None else "passed"


def _sentence(change: Change) -> str:
    """A difference, and the rule by which it is refused."""
    subject = "The whole run" if change.question == WHOLE_RUN else f"**{markdown_escape(change.question)}**"
    return f"{subject}: {markdown_escape(change.text)}" + (f" ({RULES[change.rule]})" if change.rule else "")


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _code(text: str) -> str:
    return f"`{text.replace('`', '')}`"
