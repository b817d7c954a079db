"""What the pages are filled with: sentences, tables, sections and figures, in the order in which they stand."""

import base64
from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.config.params import Params
from pipeline.config.schema import RESERVED
from pipeline.reporting import figures
from pipeline.reporting.sections import dataset_line, run_line, section, source_line
from pipeline.reporting.sentences import controls_line, evidence_line, forecasts_line, sentence
from pipeline.reporting.studies import STUDIES, study_section
from pipeline.reporting.summary import ADAPTATION, controls_of
from pipeline.reporting.tables import adaptations_table, controls_table, transfers_table, verdicts_table

Objects = Mapping[str, Any]
Figures = list[tuple[str, str]]
SAVING = (
    "Out of fold: quality of what validation had chosen so far, against GFLOPs spent over all folds; the band is from "
    "the worst fold to the best. Where a line first reaches the dotted one, the quality that scratch ended with, its "
    "cost to equal quality can be read."
)
ROLES = ("transfers", "adaptations", figures.CONTROLS)


def page(
    params: Params,
    metrics: Objects,
    verdicts: Objects,
    cost: Objects,
    datasets: Objects,
    cards: Objects,
    forecasts: Objects,
    drawn: Mapping[str, Figures],
) -> dict[str, Any]:
    """The context of both templates.

    Args:
        metrics, cost: the content of the files of these names in reports. verdicts: of verdict.json.
        datasets: facts of each. cards: of every source. forecasts: of every transfer.
        drawn: the figures of each section.
    """
    controls, alpha, epochs = list(controls_of(params)), params.verdict.alpha, params.scratch.epochs
    transfers = [name for name in params.transfers if name not in controls]
    order = [*transfers, *params.adaptations, *controls]
    return {
        "params": params,
        "metric": metrics["run"]["metric"],
        "controls_state": metrics["run"]["controls"],
        "controls_line": controls_line(metrics["run"], {name: metrics[name] for name in controls}),
        "evidence_line": evidence_line({name: metrics[name] for name in order if name not in controls}),
        "sentences": [sentence(name, metrics[name], metrics["run"]["metric"]) for name in order],
        "forecasts_line": forecasts_line(metrics["run"]["forecasts"]),
        "verdicts": verdicts_table(metrics, order, alpha),
        "transfers": transfers_table(metrics, transfers),
        "adaptations": adaptations_table(metrics, list(params.adaptations)),
        "controls": controls_table(metrics, controls),
        "sections": [
            *(
                section(name, metrics[name], verdicts[name], cost[name], forecasts.get(name), drawn[name], epochs)
                for name in order
            ),
            *(
                study_section(name, study, metrics["run"]["metric"], alpha)
                for name, study in metrics.get(STUDIES, {}).items()
            ),
        ],
        "inventory": [
            *(dataset_line(name, facts) for name, facts in datasets.items()),
            *(source_line(name, card) for name, card in cards.items()),
        ],
        "run_line": run_line(params),
    }


def gain_rows(metrics: Objects) -> pd.DataFrame:
    """Rows of the gain plot: transfer, control, role, reading, gain, ci_low, ci_high; controls last."""
    entries = {name: entry for name, entry in metrics.items() if name not in RESERVED}
    rows = [
        {"transfer": name, "control": entry.get("control", ""), "role": _role(entry), "reading": reading}
        | {k: part[k] for k in ("gain", "ci_low", "ci_high")}
        for name, entry in entries.items()
        for reading, part in _readings(entry)
    ]
    return pd.DataFrame([row for role in ROLES for row in rows if row["role"] == role])


def _role(entry: Objects) -> str:
    if "control" in entry:
        return figures.CONTROLS
    return "adaptations" if entry["kind"] == ADAPTATION else "transfers"


def _readings(entry: Objects) -> list[tuple[str, Objects]]:
    if entry["kind"] == ADAPTATION:
        return [("over source only", entry)]
    if "control" in entry:
        return [("converged", entry)]  # what a control must show, it must show there
    return [("converged", entry), ("equal compute", entry["equal_compute"])]


def transfer_figures(verdict: Objects, rows: Mapping[str, pd.DataFrame], metric: str) -> Figures:
    """The figures of one section, as SVG text and caption: those whose rows there are."""
    drawn = []
    if len(rows.get("saving", ())):
        drawn.append((figures.saving_figure(rows["saving"], metric), SAVING))
    confusion = figures.confusion_figure(verdict["confusion"], verdict["classes"])
    return [
        *drawn,
        (figures.roc_figure(rows["roc"]), "ROC, out of fold."),
        (confusion, "Confusion, out of fold: shares of the true class and images."),
        (
            figures.calibration_figure(rows["calibration"]),
            "Calibration: points are as large as their share of the images.",
        ),
    ]


def contact_figure(picture: bytes, entry: Objects, dataset: Objects) -> tuple[str, str]:
    """The contact sheet of a transfer as HTML and caption, which says whose images they are, as licences demand.

    Args:
        picture: WebP. entry: of metrics.json. dataset: the facts of the dataset that the images are of.
    """
    card, data = dataset["card"], base64.b64encode(picture).decode("ascii")
    arms = f"{entry['arm']} and {entry['against']}"
    caption = (
        f"Images that {entry['arm']} gets right and {entry['against']} wrong, and the reverse, the surest first: the "
        f"true label, and its probability by {arms}. Scaled-down images of {card['title']}; {card['licence']}. "
        f"{card['citation']}"
    )
    return f'<img alt="Images on which {arms} disagree" src="data:image/webp;base64,{data}">', caption
