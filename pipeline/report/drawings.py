"""The figures of a question, each with its caption."""

from pipeline.report import figures
from pipeline.report.confusion import FEW, SOME, confusion_figure
from pipeline.report.content import Figure
from pipeline.report.data import ReportData
from pipeline.report.words import credit, metric_name, spaced
from pipeline.results.result import Result, details_of

SAVING = (
    "Out-of-fold quality against GFLOPs spent over all folds, of the epoch with the best validation loss so far and of "
    "the last; the band is from the worst fold to the best. Where a line first reaches the dotted one, scratch's final "
    "quality, its cost to equal quality can be read."
)
ROC = (
    "Out-of-fold ROC curves of the first repeat, its trainings together; the ROC AUC above is a mean inside trainings."
)
ROC_OF_CLASSES = " A line is the mean of the curves of each class against the rest."
CALIBRATION = "Calibration in the first repeat: points are as large as their share of the images."


def drawings(name: str, result: Result, data: ReportData) -> list[Figure]:
    """The figures that the question has rows for, and its contact sheet."""
    plots, details = data.plots.get(name, {}), details_of(result)
    drawn = []
    if len(plots.get("saving", ())):
        metric = metric_name(data.run.facts.metric)
        drawn.append(Figure(SAVING, figures.saving_figure(plots["saving"], metric, result.against)))
    if "roc" in plots:
        caption = ROC + (ROC_OF_CLASSES if len(details.classes) > 2 else "")
        drawn.append(Figure(caption, figures.roc_figure(plots["roc"])))
    drawn.append(_confusion(result))
    if "calibration" in plots:
        drawn.append(Figure(CALIBRATION, figures.calibration_figure(plots["calibration"])))
    if name in data.contact_sheets:
        drawn.append(_contact_sheet(name, result, data))
    return drawn


def _confusion(result: Result) -> Figure:
    details, compared = details_of(result), (result.arm, result.against)
    told = "shares of the true class and images" if len(details.classes) <= SOME else "percent of the true class"
    of = f" of {' and '.join(map(spaced, compared))}" if len(details.classes) > FEW else ""
    caption = f"Out-of-fold confusion matrices{of}: {told}."
    return Figure(caption, confusion_figure(details.confusion, details.classes, compared))


def _contact_sheet(name: str, result: Result, data: ReportData) -> Figure:
    """The images on which two arms disagree, with title, licence and citation of the dataset, as licences demand."""
    arms = f"{spaced(result.arm)} and {spaced(result.against)}"
    caption = (
        f"Images that {spaced(result.arm)} gets right and {spaced(result.against)} wrong, and the reverse, the most "
        f"certain first: the true label, and its probability by {arms}."
    )
    if data.params is not None:
        card = data.datasets[data.params.targets[result.target].dataset]["card"]
        caption += f" Scaled down from: {credit(card)}"
    return Figure(caption, webp=data.contact_sheets[name], alt=f"Images on which {arms} disagree")
