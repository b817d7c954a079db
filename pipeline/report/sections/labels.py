"""Labels saved: how many times its labels scratch needs to match a transfer, one section a study."""

from pipeline.report.content import Block, Column, Figure, Paragraph, Section, Table, items, numbers
from pipeline.report.figures import labels_figure
from pipeline.report.material import Material
from pipeline.report.words import capitalised, interval, metric_name, number, spaced
from pipeline.results.run import Bound, Study, Times

SIGNS = {"above": "> ", "below": "< ", "inside": ""}
DISTRUST = "Controls of this run failed: this study is not to be trusted."


def sections(material: Material) -> list[Section]:
    """A section a study of labels."""
    facts = material.run.facts
    return [_section(name, study, facts.metric, facts.alpha) for name, study in material.run.studies.items()]


def _section(name: str, study: Study, metric: str, alpha: float) -> Section:
    blocks: list[Block] = items(answers(study))
    if study.controls == "failed":
        blocks.insert(0, Paragraph(DISTRUST, "warning"))
    method = (
        f"The same transfer at growing shares of its target's labels ({', '.join(study.questions)}). Scratch needs "
        f"N times the labels where its own curve of {metric_name(metric)}, made monotone and interpolated over the "
        "logarithm of the share, reaches the transfer; > N where it reaches it at no measured share."
    )
    blocks += [table(study, alpha), Paragraph(method)]
    if study.reason:
        blocks.append(Paragraph(f"There are no intervals: {study.reason}."))
    caption = f"{capitalised(metric_name(metric))} against the share of the labels."
    blocks.append(Figure(caption, svg=labels_figure(study, metric_name(metric))))
    return Section(f"Labels saved: {name}", blocks)


def answers(study: Study) -> list[str]:
    """What each arm saves in labels at the smallest share, where labels are scarcest."""
    return [
        f"{capitalised(spaced(arm))} with {study.fractions[0]:.0%} of the labels: to match it, scratch needs "
        f"{times_words(times[0])}."
        for arm, times in study.times.items()
    ]


def table(study: Study, alpha: float) -> Table:
    """A row a share of the labels: every arm's quality, the gains, and how many times the labels scratch needs."""
    arms, paid = list(study.curves), list(study.times)
    needed = [f"scratch needs, to match {spaced(arm)}" for arm in paid]
    columns = [Column("labels", "number"), *numbers("images with labels", *(spaced(arm) for arm in arms))]
    columns += numbers(*(f"gain of {spaced(arm)} [{1 - alpha:.0%} interval]" for arm in paid), *needed)
    rows = [
        [
            f"{fraction:.0%}",
            f"{study.images[at]:,.0f}",
            *(number(study.curves[arm][at].value) for arm in arms),
            *(interval(study.gains[arm][at]) for arm in paid),
            *(times_words(study.times[arm][at]) for arm in paid),
        ]
        for at, fraction in enumerate(study.fractions)
    ]
    return Table(columns, rows, ("labels", *needed))


def times_words(times: Times) -> str:
    """How many times the labels, with the interval as far as there is one."""
    if times.ci_low is None or times.ci_high is None:
        return f"{_bounded(times.value)} times the labels"
    return f"{_bounded(times.value)} times the labels [{_bounded(times.ci_low)}, {_bounded(times.ci_high)}]"


def _bounded(bound: Bound) -> str:
    return f"{SIGNS[bound.side]}{bound.value:.1f}"
