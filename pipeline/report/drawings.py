"""The figures of a question, each with its caption."""

from collections.abc import Sequence

from pipeline.report import figures
from pipeline.report.confusion import SOME, confusion_figures
from pipeline.report.contact_sheet import Picture, contact_sheet
from pipeline.report.content import Figure
from pipeline.report.data import ReportData
from pipeline.report.disputed import Side, Thumbnail
from pipeline.report.language import say
from pipeline.report.seen import calibration_seen, confusion_seen, roc_seen, saving_seen
from pipeline.report.words import capitalised, metric_name, scaled_from, spaced
from pipeline.results.result import Result, details_of


def drawings(name: str, result: Result, data: ReportData) -> list[Figure]:
    """The figures that the question has rows for, and its contact sheet; a caption begins with what is seen."""
    plots, metric = data.plots.get(name, {}), data.run.facts.metric
    drawn = []
    if len(plots.get("saving", ())):
        svg = figures.saving_figure(plots["saving"], metric_name(metric), result.against)
        drawn.append(Figure(_caption(saving_seen(result, metric), _saving()), svg))
    if "roc" in plots:
        drawn.append(Figure(_caption(roc_seen(result), _roc(result)), figures.roc_figure(plots["roc"])))
    drawn += _confusion(result)
    if "calibration" in plots:
        how = say("Calibration in the first repeat: points are as large as their share of the images.")
        rows = plots["calibration"]
        drawn.append(Figure(_caption(calibration_seen(rows, result.arm), how), figures.calibration_figure(rows)))
    if sides := data.disputed.get(name):
        drawn += _contact_sheets(sides, result, data)
    return drawn


def _caption(seen: str, how: str) -> str:
    return f"{capitalised(seen)} {how}" if seen else how


def _saving() -> str:
    return say(
        "Out-of-fold quality against GFLOPs spent over all folds, of the epoch with the best validation loss so far "
        "and of the last; the band is from the worst fold to the best. Where a line first reaches the dotted one, "
        "scratch's final quality, its cost to equal quality can be read."
    )


def _roc(result: Result) -> str:
    how = say(
        "Out-of-fold ROC curves of the first repeat, its trainings together; the ROC AUC is a mean inside trainings."
    )
    if len(details_of(result).classes) <= 2:
        return how
    return f"{how} {say('A line is the mean of the curves of each class against the rest.')}"


def _confusion(result: Result) -> list[Figure]:
    """A matrix an arm, so that narrow screens show one below the other; the first has the caption."""
    details, compared = details_of(result), (result.arm, result.against)
    told = say("Out-of-fold confusion matrices: shares of the true class and images.")
    if len(details.classes) > SOME:
        told = say("Out-of-fold confusion matrices: percent of the true class.")
    caption = _caption(confusion_seen(details.confusion, details.classes, *compared), told)
    drawn = confusion_figures(details.confusion, details.classes, compared)
    return [Figure(caption if at == 0 else "", svg) for at, svg in enumerate(drawn)]


def _contact_sheets(sides: Sequence[Side], result: Result, data: ReportData) -> list[Figure]:
    """The images on which two arms disagree; the caption of the first has the dataset's credit, as licences demand."""
    arms = {"arm": spaced(result.arm), "other": spaced(result.against)}
    caption = say(
        "Images that {arm} gets right and {other} wrong, and the reverse, the most certain first: the true label, and "
        "its probability by {arm} and {other}.",
        **arms,
    )
    if data.params is not None:
        card = data.datasets[data.params.targets[result.target].dataset]["card"]
        caption += f" {scaled_from(card)}"
    alt = say("Images on which {arm} and {other} disagree", **arms)
    return sheets([(_title(side), [_picture(each) for each in side.shown]) for side in sides], caption, alt)


def sheets(parts: Sequence[tuple[str, Sequence[Picture]]], caption: str, alt: str) -> list[Figure]:
    """A contact sheet for each title with its pictures; the first has the caption."""
    drawn = [contact_sheet(title, pictures) for title, pictures in parts]
    return [Figure(caption if at == 0 else "", webp=sheet, alt=alt) for at, sheet in enumerate(drawn)]


def _title(side: Side) -> str:
    return say(
        "{right} right, {wrong} wrong: {count} images",
        right=spaced(side.right),
        wrong=spaced(side.wrong),
        count=f"{side.images:,}",
    )


def _picture(thumbnail: Thumbnail) -> Picture:
    lines = (f"{spaced(arm)} {value:.2f}" for arm, value in thumbnail.probabilities.items())
    return Picture(thumbnail.pixels, (thumbnail.label, *lines))
