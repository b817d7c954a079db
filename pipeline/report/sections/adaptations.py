"""Adaptations: quality on the target without its labels, between source only and a linear probe with them."""

from pipeline.report.content import Column, Section, Table, notes, numbers
from pipeline.report.data import ReportData
from pipeline.report.language import say
from pipeline.report.summary import group
from pipeline.report.words import number, share_reached
from pipeline.results.result import Result


def sections(data: ReportData) -> list[Section]:
    """The section, where there are adaptations."""
    results = group(data.run, "adaptations")
    explained = {
        say("Source only"): say("the unadapted source with its own head; the gain of an adaptation is over it."),
        say("Always CORAL"): say("the same method in every fold, in place of a choice without labels."),
        say("Linear probe"): say(
            "trained with the target's labels on the source's features. It is not the best that could be done with "
            "these labels."
        ),
        say("Share reached"): say(
            "of the linear probe's gain, reached without labels; an adaptation may get further (>100%)."
        ),
    }
    blocks = [table(results, data.run.facts.metric), *notes(explained)]
    return [Section(say("Without labels of the target"), blocks, folded=True)] if results else []


def table(results: dict[str, Result], metric: str) -> Table:
    """A row an adaptation."""
    titles = [say("source only"), say("adapted"), say("always CORAL"), say("linear probe with target labels")]
    titles.append(say("share reached"))
    rows = [[name, *_qualities(result, metric)] for name, result in results.items()]
    return Table([Column(say("adaptation")), *numbers(*titles)], rows, (say("adaptation"), *titles))


def _qualities(result: Result, metric: str) -> list[str]:
    own = [number(result.arms[arm][metric]) for arm in (result.against, result.arm)]
    own.append(number(result.arms["coral"][metric]) if "coral" in result.arms else "-")
    if result.ceiling is None:
        return [*own, "-", "-"]
    return [*own, number(result.arms[result.ceiling.arm][metric]), share_reached(result.ceiling.reached)]
