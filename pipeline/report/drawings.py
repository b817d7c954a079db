"""Figures of one question, with their captions."""

from pipeline.report import figures
from pipeline.report.content import Figure
from pipeline.report.material import Material
from pipeline.report.words import metric_name, spaced
from pipeline.results.result import Result, details_of

SAVING = (
    "Out of fold: quality of what validation had chosen so far, against GFLOPs spent over all folds; the band is from "
    "the worst fold to the best. Where a line first reaches the dotted one, scratch's final quality, its cost to equal "
    "quality can be read."
)
ROC = "ROC, out of fold."
CONFUSION = "Confusion, out of fold: shares of the true class and images."
CALIBRATION = "Calibration: points are as large as their share of the images."


def drawings(name: str, result: Result, material: Material) -> list[Figure]:
    """The figures of those plots that the question has rows of, and its contact sheet."""
    plots, details = material.plots.get(name, {}), details_of(result)
    drawn = []
    if len(plots.get("saving", ())):
        metric = metric_name(material.run.facts.metric)
        drawn.append(Figure(SAVING, figures.saving_figure(plots["saving"], metric, result.against)))
    if "roc" in plots:
        drawn.append(Figure(ROC, figures.roc_figure(plots["roc"])))
    drawn.append(Figure(CONFUSION, figures.confusion_figure(details.confusion, details.classes)))
    if "calibration" in plots:
        drawn.append(Figure(CALIBRATION, figures.calibration_figure(plots["calibration"])))
    if name in material.contact_sheets:
        drawn.append(_contact_sheet(name, result, material))
    return drawn


def _contact_sheet(name: str, result: Result, material: Material) -> Figure:
    """The images on which two arms disagree, with whose images they are, as licences demand."""
    arms = f"{spaced(result.arm)} and {spaced(result.against)}"
    caption = (
        f"Images that {spaced(result.arm)} gets right and {spaced(result.against)} wrong, and the reverse, the surest "
        f"first: the true label, and its probability by {arms}."
    )
    if material.params is not None:
        card = material.datasets[material.params.targets[result.target].dataset]["card"]
        caption += f" Scaled-down images of {card['title']}; {card['licence']}. {card['citation']}"
    return Figure(caption, webp=material.contact_sheets[name], alt=f"Images on which {arms} disagree")
