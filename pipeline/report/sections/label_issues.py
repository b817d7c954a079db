"""Labels that look wrong: how many, how many of the tested images they are, and what they look like."""

from collections.abc import Sequence

from pipeline.report.contact_sheet import Picture, contact_sheet
from pipeline.report.content import Block, Column, Figure, Section, Table, items, notes, numbers
from pipeline.report.data import ReportData
from pipeline.report.figures import recall_figure
from pipeline.report.label_issues import NEAR, TWICE, LabelIssues, recall
from pipeline.report.words import capitalised, credit

TITLE = "Labels that look wrong"
FILE = "reports/label_issues.csv"
MOST_SURE = 0.5  # share of images with the greatest weight from which on weights can say how sure a label is
CONTRADICTIONS = {
    NEAR: "groups of near-duplicates with more than one {}",
    TWICE: "pairs that show the same with different labels",
}
METHOD = {
    "Looks wrong": "networks that did not train on the image predict another class, with at least the probability that "
    "images labelled as that class get on average (confident learning, by cleanlab).",
    "Networks": "in every training the arm that validation prefers; its out-of-fold probabilities are averaged over "
    "repeats. No test label took part in the choice.",
    "Not every one is wrong": "these networks err as well. The list is an order in which to look, not a correction.",
    "Correcting": f"the list is {FILE}; docs/own-data.md says how to correct labels and what runs anew.",
}


def sections(data: ReportData) -> list[Section]:
    """The section, where labels were examined."""
    if not data.label_issues:
        return []
    lines = [line for each in data.label_issues for line in findings(each)]
    blocks: list[Block] = [*items(lines), table(data.label_issues), *notes(METHOD)]
    for each in data.label_issues:
        blocks += figures(each, data)
    return [Section(TITLE, blocks)]


def findings(issues: LabelIssues) -> list[str]:
    """What was found in a label column, a sentence or two each."""
    found, count, column = issues.found, len(issues.images), f"{issues.dataset}, {issues.label}"
    missed = float((issues.images["label"] != issues.images["suggested"]).mean())
    trust = f"These networks disagree with {missed:.0%} of all labels"
    if found.empty:
        lines = [f"{column}: none of {count:,} labels looks wrong. {trust}."]
    else:
        lines = [
            f"{column}: {len(found):,} of {count:,} labels look wrong. {trust}: many on the list may be their errors."
        ]
    weights = issues.images["weight"]
    sure = weights.max()
    unsure = int((found["weight"] < sure).sum())
    if unsure and (weights == sure).mean() >= MOST_SURE:
        lines.append(
            f"{capitalised(issues.weight)} is below {sure:g} for {unsure:,} of these {len(found):,}. Where that weight "
            "says how sure a label is, they are doubtful already; begin with the others."
        )
    return lines + [contradicted(issues, what) for what in issues.contradictions]


def contradicted(issues: LabelIssues, what: str) -> str:
    """How many of the contradictory labels the list reaches, and how many a random one would."""
    groups, listed = issues.contradictions[what], len(issues.found)
    reached, chance = (len(groups) * share[listed] for share in recall(groups, len(issues.images)))
    return (
        f"A check: of {len(groups)} {CONTRADICTIONS[what].format(issues.label)}, where a label is likely wrong, the "
        f"list reaches {reached:.0f}; a random list of its length reaches {chance:.1f}."
    )


def table(found: Sequence[LabelIssues]) -> Table:
    """A row a target: every image is tested once a repeat, so its figures rest on these labels too."""
    titles = ("images tested, each once a repeat", "whose label looks wrong", "share")
    rows = [
        [target, each.label, f"{tested:,}", f"{wrong:,}", f"{wrong / tested:.1%}", _networks(each, target)]
        for each in found
        for target, (tested, wrong) in each.tested.items()
    ]
    return Table([Column("target"), Column("label"), *numbers(*titles), Column("networks (trainings)")], rows)


def _networks(issues: LabelIssues, target: str) -> str:
    if target != issues.target:
        return f"those of {issues.target}"
    return ", ".join(f"{arm} ({count})" for arm, count in issues.arms.items())


def figures(issues: LabelIssues, data: ReportData) -> list[Figure]:
    """The contact sheet, and the recall of contradictory labels."""
    drawn, column = [], f"{issues.dataset}, {issues.label}"
    if issues.pictures:
        caption = (
            f"{column}: images whose label is most likely wrong. Under each its label and the suggested one with their "
            "probabilities, and its file."
        )
        if issues.dataset in data.datasets:
            caption += f" Scaled down from: {credit(data.datasets[issues.dataset]['card'])}"
        drawn.append(Figure(caption, webp=contact_sheet(_parts(issues)), alt=f"{column}: labels that look wrong"))
    if issues.contradictions:
        curves = {
            f"{len(groups)} {CONTRADICTIONS[what].format(issues.label)}": recall(groups, len(issues.images))
            for what, groups in issues.contradictions.items()
        }
        caption = (
            f"{column}: the share of contradictions of which an image is among the first ones to look at. Dotted: in a "
            "random order. The grey line is the end of the list."
        )
        drawn.append(Figure(caption, svg=recall_figure(curves, len(issues.found))))
    return drawn


def _parts(issues: LabelIssues) -> list[tuple[str, list[Picture]]]:
    """The titles of the contact sheet over their pictures."""
    counts = issues.found["label"].value_counts()
    return [
        (f"labelled {label}: {counts[label]:,} images" if label else f"{len(issues.found):,} images", shown)
        for label, shown in issues.pictures.items()
    ]
