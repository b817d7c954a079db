"""Labels that look wrong: how many, how many of the tested images they are, and what they look like."""

from collections.abc import Mapping, Sequence

from pipeline.report.contact_sheet import Picture
from pipeline.report.content import Block, Column, Figure, Section, Table, items, notes, numbers
from pipeline.report.data import ReportData
from pipeline.report.drawings import sheets
from pipeline.report.figures import recall_figure
from pipeline.report.label_issues import NEAR, TWICE, LabelIssues, recall
from pipeline.report.language import say
from pipeline.report.words import capitalised, scaled_from, spaced

FILE = "reports/label_issues.csv"
MOST_SURE = 0.5  # share of images with the greatest weight from which on weights can say how sure a label is


def contradiction(issues: LabelIssues, what: str) -> str:
    """The groups of one kind in words, with their number."""
    values = {"count": len(issues.contradictions[what]), "label": issues.label}
    return {
        NEAR: say("{count} groups of near-duplicates with more than one {label}", **values),
        TWICE: say("{count} pairs that show the same with different labels", **values),
    }[what]


def method() -> Mapping[str, str]:
    """How the list was made, and what it is not: term -> text."""
    return {
        say("Looks wrong"): say(
            "networks that did not train on the image predict another class, with at least the probability that images "
            "labelled as that class get on average (confident learning, by cleanlab)."
        ),
        say("Networks"): say(
            "in every training the arm that validation prefers; its out-of-fold probabilities are averaged over "
            "repeats. No test label took part in the choice."
        ),
        say("Not every one is wrong"): say(
            "these networks err as well. The list is an order in which to look, not a correction."
        ),
        say("Correcting"): say(
            "the list is {file}; docs/own-data.md says how to correct labels and what runs anew.", file=FILE
        ),
    }


def sections(data: ReportData) -> list[Section]:
    """The section, where labels were examined."""
    if not data.label_issues:
        return []
    lines = [line for each in data.label_issues for line in findings(each)]
    blocks: list[Block] = [*items(lines), table(data.label_issues), *notes(method())]
    for each in data.label_issues:
        blocks += figures(each, data)
    return [Section(say("Labels that look wrong"), blocks, folded=True)]


def findings(issues: LabelIssues) -> list[str]:
    """What was found in a label column, a sentence or two each."""
    found, count, column = issues.found, len(issues.images), f"{issues.dataset}, {issues.label}"
    missed = float((issues.images["label"] != issues.images["suggested"]).mean())
    values = {"column": column, "all": f"{count:,}", "missed": f"{missed:.0%}"}
    if found.empty:
        none = "{column}: none of {all} labels looks wrong. These networks disagree with {missed} of all labels."
        lines = [say(none, **values)]
    else:
        lines = [
            say(
                "{column}: {found} of {all} labels look wrong. These networks disagree with {missed} of all labels: "
                "many on the list may be their errors.",
                found=f"{len(found):,}",
                **values,
            )
        ]
    weights = issues.images["weight"]
    sure = weights.max()
    unsure = int((found["weight"] < sure).sum())
    if unsure and (weights == sure).mean() >= MOST_SURE:
        lines.append(
            say(
                "{weight} is below {sure} for {unsure} of these {found}. Where that weight says how sure a label is, "
                "they are doubtful already; begin with the others.",
                weight=capitalised(issues.weight),
                sure=f"{sure:g}",
                unsure=f"{unsure:,}",
                found=f"{len(found):,}",
            )
        )
    return lines + [contradicted(issues, what) for what in issues.contradictions]


def contradicted(issues: LabelIssues, what: str) -> str:
    """How many of the contradictory labels the list reaches, and how many a random one would."""
    groups, listed = issues.contradictions[what], len(issues.found)
    reached, chance = (len(groups) * share[listed] for share in recall(groups, len(issues.images)))
    return say(
        "A check: of {groups}, where a label is likely wrong, the list reaches {reached}; a random list of its length "
        "reaches {chance}.",
        groups=contradiction(issues, what),
        reached=f"{reached:.0f}",
        chance=f"{chance:.1f}",
    )


def table(found: Sequence[LabelIssues]) -> Table:
    """A row a target: every image is tested once a repeat, so its figures rest on these labels too."""
    titles = (say("images tested, each once a repeat"), say("whose label looks wrong"), say("share"))
    rows = [
        [target, each.label, f"{tested:,}", f"{wrong:,}", f"{wrong / tested:.1%}", _networks(each, target)]
        for each in found
        for target, (tested, wrong) in each.tested.items()
    ]
    first, last = (Column(say("target")), Column(say("label"))), Column(say("networks (trainings)"))
    return Table([*first, *numbers(*titles), last], rows)


def _networks(issues: LabelIssues, target: str) -> str:
    if target != issues.target:
        return say("those of {target}", target=issues.target)
    parts = [(*arm.rpartition(" "), count) for arm, count in issues.arms.items()]
    return ", ".join(f"{question} {spaced(arm)} ({count})" for question, _, arm, count in parts)


def figures(issues: LabelIssues, data: ReportData) -> list[Figure]:
    """The contact sheets, and the recall of contradictory labels."""
    drawn, column = [], f"{issues.dataset}, {issues.label}"
    if issues.pictures:
        caption = say(
            "{column}: images whose label is most likely wrong. Under each its label and the suggested one with their "
            "probabilities, and its file.",
            column=column,
        )
        if issues.dataset in data.datasets:
            caption += f" {scaled_from(data.datasets[issues.dataset]['card'])}"
        alt = say("{column}: labels that look wrong", column=column)
        drawn += sheets(_parts(issues), caption, alt)
    if issues.contradictions:
        curves = {
            contradiction(issues, what): recall(groups, len(issues.images))
            for what, groups in issues.contradictions.items()
        }
        caption = say(
            "{column}: the share of contradictions of which an image is among the first ones to look at. Dotted: in a "
            "random order. The grey line is the end of the list.",
            column=column,
        )
        drawn.append(Figure(caption, svg=recall_figure(curves, len(issues.found))))
    return drawn


def _parts(issues: LabelIssues) -> list[tuple[str, list[Picture]]]:
    """The titles of the contact sheets, with their pictures."""
    counts = issues.found["label"].value_counts()
    return [
        (
            say("labelled {label}: {count} images", label=label, count=f"{counts[label]:,}")
            if label
            else say("{count} images", count=f"{len(issues.found):,}"),
            shown,
        )
        for label, shown in issues.pictures.items()
    ]
