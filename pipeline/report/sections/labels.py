"""Label efficiency: how many times the labels scratch needs to match a transfer, one section a study."""

from pipeline.report.content import Block, Figure, Paragraph, Section, Table, items, numbers
from pipeline.report.data import ReportData
from pipeline.report.figures import labels_figure
from pipeline.report.language import retold, say
from pipeline.report.seen import labels_seen
from pipeline.report.words import capitalised, distrust, interval, level, metric_name, number, spaced
from pipeline.results.run import Bound, Study, Times

SIGNS = {"above": "> ", "below": "< ", "inside": ""}


def sections(data: ReportData) -> list[Section]:
    """A section a study of labels."""
    facts = data.run.facts
    return [_section(name, study, facts.metric, facts.level) for name, study in data.run.studies.items()]


def _section(name: str, study: Study, metric: str, outside: float) -> Section:
    blocks: list[Block] = [Paragraph(distrust(), "warning")] if study.controls == "failed" else []
    method = say(
        "The same transfer at growing shares of its target's labels ({questions}). Scratch needs N times the labels "
        "where its own curve of {metric}, made monotone and interpolated over the logarithm of the share, reaches the "
        "transfer; > N where it reaches it at no measured share.",
        questions=", ".join(study.questions),
        metric=metric_name(metric),
    )
    blocks += [*items(answers(study)), table(study, outside), Paragraph(method)]
    if study.reason:
        blocks.append(Paragraph(say("There are no intervals: {reason}.", reason=retold(study.reason))))
    blocks.append(Figure(labels_seen(study, metric), svg=labels_figure(study, metric_name(metric))))
    return Section(say("Labels saved: {name}", name=name), blocks)


def answers(study: Study) -> list[str]:
    """The labels that each arm saves at the smallest share of them."""
    return [
        capitalised(
            say(
                "{arm} with {share} of the labels: to match it, scratch needs {times}.",
                arm=spaced(arm),
                share=f"{study.fractions[0]:.0%}",
                times=times_words(times[0]),
            )
        )
        for arm, times in study.times.items()
    ]


def table(study: Study, outside: float) -> Table:
    """A row a share of the labels: every arm's quality, the gains, and how many times the labels scratch needs."""
    arms, trained = list(study.curves), list(study.times)
    needed = [say("scratch needs, to match {arm}", arm=spaced(arm)) for arm in trained]
    gained = [say("gain of {arm} [{level} interval]", arm=spaced(arm), level=level(outside)) for arm in trained]
    columns = numbers(say("labels"), say("images with labels"), *map(spaced, arms), *gained, *needed)
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
    return Table(columns, rows, (say("labels"), *needed))


def times_words(times: Times) -> str:
    """How many times the labels, with the interval where there is one."""
    words = say("{factor} times the labels", factor=_bounded(times.value))
    if times.ci_low is None or times.ci_high is None:
        return words
    return f"{words} [{_bounded(times.ci_low)}, {_bounded(times.ci_high)}]"


def _bounded(bound: Bound) -> str:
    return f"{SIGNS[bound.side]}{bound.value:.1f}"
