"""What the report says of a study of labels: a section with a table and a figure, and lines for the terminal."""

from collections.abc import Mapping
from typing import Any

from pipeline.reporting.figures import labels_figure
from pipeline.reporting.sections import Section, distrust
from pipeline.reporting.sentences import interval, number, spaced
from pipeline.reporting.tables import Column, Table, numbers

STUDIES = "studies"  # their entry of reports/metrics.json
SIGNS = {"above": "> ", "below": "< ", "inside": ""}
Object = Mapping[str, Any]


def study_section(name: str, study: Object, metric: str, alpha: float) -> Section:
    """The section of one study: the content of its verdict.json."""
    intro = (
        f"The same transfer at growing shares of the labels of its target: {', '.join(study['transfers'])}. Scratch "
        f"needs N times the labels where its own curve of {spaced(metric)}, made monotone and interpolated over the "
        "logarithm of the share, reaches the transfer; > N where it does not reach it with any measured share."
    )
    figure = (labels_figure(study, spaced(metric)), f"{spaced(metric).capitalize()} against the share of the labels.")
    notes = [*study_lines(name, study), *([f"No intervals: {study['reason']}."] if study["reason"] else [])]
    return Section(f"Labels saved: {name}", intro, distrust(study), [study_table(study, alpha)], notes, [figure])


def study_table(study: Object, alpha: float) -> Table:
    """A row a share of the labels: every arm's quality, the gains, and how many times the labels scratch needs."""
    arms, paid = list(study["curves"]), list(study["times"])
    columns = [Column("labels", "number"), *numbers("images with labels", *(spaced(arm) for arm in arms))]
    columns += numbers(*(f"gain of {spaced(arm)} [{1 - alpha:.0%} interval]" for arm in paid))
    columns += numbers(*(f"scratch needs, to reach {spaced(arm)}" for arm in paid))
    rows = [
        [
            f"{fraction:.0%}",
            f"{study['images'][at]:,.0f}",
            *(number(study["curves"][arm][at]["value"]) for arm in arms),
            *(interval(study["gains"][arm][at]) for arm in paid),
            *(in_times(study["times"][arm][at]) for arm in paid),
        ]
        for at, fraction in enumerate(study["fractions"])
    ]
    return Table(columns, rows)


def study_lines(name: str, study: Object) -> list[str]:
    """What each arm saves in labels at the smallest share, where labels are dearest."""
    return [
        f"{name}: to reach what {spaced(arm)} reaches with {study['fractions'][0]:.0%} of the labels, scratch needs "
        f"{in_times(times[0])}"
        for arm, times in study["times"].items()
    ]


def in_times(times: Object) -> str:
    """How many times the labels, with the interval as far as there is one."""
    found = [None if times[key] is None else _bounded(times[key]) for key in ("value", "ci_low", "ci_high")]
    return f"{found[0]} times the labels" + (f" [{found[1]}, {found[2]}]" if found[1] else "")


def _bounded(ratio: Object) -> str:
    return f"{SIGNS[ratio['side']]}{ratio['value']:.1f}"
