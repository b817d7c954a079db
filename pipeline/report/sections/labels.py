"""Label efficiency: how many times the labels scratch needs to match a transfer, one section a study."""

from pipeline.report.content import Block, Figure, Paragraph, Section, Table, items, numbers
from pipeline.report.data import ReportData
from pipeline.report.figures import labels_figure
from pipeline.report.words import capitalised, distrust, interval, level, metric_name, number, spaced
from pipeline.results.run import Bound, Study, Times

SIGNS = {"above": "> ", "below": "< ", "inside": ""}


def sections(data: ReportData) -> list[Section]:
    """A section a study of labels."""
    facts = data.run.facts
    return [_section(name, study, facts.metric, facts.level) for name, study in data.run.studies.items()]


def _section(name: str, study: Study, metric: str, outside: float) -> Section:
    blocks: list[Block] = [Paragraph(distrust("study"), "warning")] if study.controls == "failed" else []
    method = (
        f"The same transfer at growing shares of its target's labels ({', '.join(study.questions)}). Scratch needs "
        f"N times the labels where its own curve of {metric_name(metric)}, made monotone and interpolated over the "
        "logarithm of the share, reaches the transfer; > N where it reaches it at no measured share."
    )
    blocks += [*items(answers(study)), table(study, outside), Paragraph(method)]
    if study.reason:
        blocks.append(Paragraph(f"There are no intervals: {study.reason}."))
    caption = f"{capitalised(metric_name(metric))} against the share of the labels."
    blocks.append(Figure(caption, svg=labels_figure(study, metric_name(metric))))
    return Section(f"Labels saved: {name}", blocks)


def answers(study: Study) -> list[str]:
    """The labels that each arm saves at the smallest share of them."""
    return [
        f"{capitalised(spaced(arm))} with {study.fractions[0]:.0%} of the labels: to match it, scratch needs "
        f"{times_words(times[0])}."
        for arm, times in study.times.items()
    ]


def table(study: Study, outside: float) -> Table:
    """A row a share of the labels: every arm's quality, the gains, and how many times the labels scratch needs."""
    arms, trained = list(study.curves), list(study.times)
    needed = [f"scratch needs, to match {spaced(arm)}" for arm in trained]
    columns = numbers("labels", "images with labels", *(spaced(arm) for arm in arms))
    columns += numbers(*(f"gain of {spaced(arm)} [{level(outside)} interval]" for arm in trained), *needed)
    rows = [
        [
            f"{fraction:.0%}",
            f"{study.images[at]:,.0f}",
            *(number(study.curves[arm][at].value) for arm in arms),
            *(interval(study.gains[arm][at]) for arm in trained),
            *(times_words(study.times[arm][at]) for arm in trained),
        ]
        for at, fraction in enumerate(study.fractions)
    ]
    return Table(columns, rows, ("labels", *needed))


def times_words(times: Times) -> str:
    """How many times the labels, with the interval where there is one."""
    words = f"{_bounded(times.value)} times the labels"
    if times.ci_low is None or times.ci_high is None:
        return words
    return f"{words} [{_bounded(times.ci_low)}, {_bounded(times.ci_high)}]"


def _bounded(bound: Bound) -> str:
    return f"{SIGNS[bound.side]}{bound.value:.1f}"
